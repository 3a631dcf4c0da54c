"""What does a network read?"""

import numpy as np

from training.studies.dissect import background_only, lesion_only


def test_dissected_pictures_show_the_lesion_alone_and_everything_else_alone() -> None:
    picture = np.full((80, 80), 90, np.uint8)
    picture[20:40, 20:40] = 220
    mask = np.zeros((80, 80), np.float32)
    mask[18:42, 18:42] = 1
    lesion, background = lesion_only(picture, mask), background_only(picture, mask)
    assert lesion[30, 30] == 220
    assert lesion[60, 60] == 90
    assert abs(int(background[30, 30]) - 90) < 5
    assert background[60, 60] == 90
