"""What was painted on a photo's matte adds up."""

import numpy as np
from PIL import Image

from retrieval.search import Garment
from ui.state import OwnPhoto


def test_a_second_correction_adds_to_the_first_and_outdoes_it_where_both_speak() -> None:
    photo = Image.new("RGB", (4, 1))
    own = OwnPhoto(photo, photo, Garment(np.zeros((1, 1), np.float32), {}, {}), matte=np.ones((1, 4), np.float32))
    nothing = np.zeros((1, 4), bool)
    own.correct(np.array([[True, True, False, False]]), nothing)
    assert (own.matte, own.use_cut, own.drop) == (None, True, None)
    own.correct(nothing, np.array([[False, True, True, False]]))
    assert own.keep is not None
    assert own.drop is not None
    assert own.keep.tolist() == [[1, 0, 0, 0]]
    assert own.drop.tolist() == [[0, 1, 1, 0]]
