"""Evaluate the loss of a Hydra config on the reaches: `python hydra_reach.py vocabulary.parameters.alpha=1e-3`."""

from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate

import lossdsl as ld

ConfigStore.instance().store(name="loss_config", node=ld.LossConfig)


@hydra.main(version_base=None, config_path="conf", config_name="reach")
def main(config):
    """Print the loss, and its total."""
    loss = instantiate(config)
    reach = ld.load_npz(Path(__file__).parent / "reach.npz")
    print(f"{loss} = {loss(reach.states, reach.trial_specs).total:.6g}")


if __name__ == "__main__":
    main()
