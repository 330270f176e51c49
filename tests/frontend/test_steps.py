"""Every frame of every instance is one step, and every step has its address."""

from hypothesis import given
from hypothesis import strategies as st

from frontend.steps import Stack, find_step, find_viewport, list_windows, page_values, rendered_url, step_at

STACK = Stack("1.2", "1.3", (("1.4", 1, "512,512"), ("1.5", 3, "")))
stacks = st.lists(st.integers(1, 5), min_size=1, max_size=8).map(
    lambda frames: Stack("1", "2", tuple((f"3.{index}", count, "") for index, count in enumerate(frames)))
)


@given(stacks)
def test_places_and_steps_are_each_other_s_inverse(stack):
    steps = [step_at(stack, place) for place in range(1, stack.step_count + 1)]
    assert len({(step.instance_place, step.frame_number) for step in steps}) == stack.step_count
    assert [find_step(stack, step.instance_place, step.frame_number) for step in steps] == steps


@given(stacks, st.integers(-5, 50), st.integers(-5, 50))
def test_places_outside_give_the_nearest(stack, instance_place, frame_number):
    step = find_step(stack, instance_place, frame_number)
    assert 1 <= step.place <= stack.step_count


def test_picture_of_one_frame_and_of_many():
    soft = list_windows("CT")[1]
    path = "/dicom-web/studies/1.2/series/1.3/instances/"
    assert rendered_url(STACK, step_at(STACK, 1)) == path + "1.4/rendered?viewport=512,512"
    assert rendered_url(STACK, step_at(STACK, 4), soft) == path + "1.5/frames/3/rendered?window=40,400,linear"


def test_pixels_are_shown_square_and_square_ones_as_they_are():
    assert find_viewport(400, 512) == "512,512"
    assert find_viewport(4096, 1) == "4096,4096"
    assert find_viewport(4097, 1) == ""


def test_page_of_a_step_says_frame_and_window_only_where_they_matter():
    own, soft = list_windows("CT")[:2]
    assert page_values(step_at(STACK, 1), own, STACK) == {"instance": "1"}
    assert page_values(step_at(STACK, 3), soft, STACK) == {
        "instance": "2",
        "frame": "2",
        "window": "soft",
    }


def test_only_ct_has_presets_in_hounsfield_units():
    assert [window.key for window in list_windows("MR")] == ["own"]
    assert len(list_windows("CT")) == 6
