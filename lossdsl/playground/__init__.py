"""A text and data -> a page in the browser that answers while one types: colours, formula, values, plots, source."""
