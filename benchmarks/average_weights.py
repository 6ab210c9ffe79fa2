"""Averages two matting networks of which one was trained on from the other: `average_weights.py ONE OTHER OUT`.

The mean of such weights often errs less than either (Wortsman et al., "Model soups", 2022). The rest of the file is
OTHER's.
"""

from pathlib import Path

import typer

from matting.weights import load_model, save_model


def main(one: Path, other: Path, out: Path) -> None:
    """Write the mean of two networks' weights."""
    model = load_model(other)
    before, after = load_model(one).network.state_dict(), model.network.state_dict()
    mean = {name: (before[name] + of) / 2 if of.is_floating_point() else of for name, of in after.items()}
    model.network.load_state_dict(mean)
    save_model(model, out)


if __name__ == "__main__":
    typer.run(main)
