"""Random inputs, grown from a grammar or from what is well formed: only a `LossError` may come out of them."""
