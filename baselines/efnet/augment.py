"""Augmentation beyond turning: what other cameras, clocks and distances would have recorded.

Each changes events and images so that they still belong together:

- `resize` brings the scene nearer or farther. Images are resized (averaged where they shrink,
  linearly where they grow); each new pixel takes the events of the old one at its place, as a
  sensor of another pitch would have seen them: sums of signs stay changes of brightness, which
  spreading or thinning events would not leave them. Stored grids are resized like images.
- `reverse` runs the exposure backwards: times are mirrored and signs flipped, since what became
  brighter becomes darker. The mean of an exposure and its middle are the same backwards, so both
  images stay. Flipping signs alone would be a scene that cannot be.
- `time_shift` sets the events' clock early or late against the exposure; what leaves it is lost,
  where it came from there is nothing.
- `drop`: a sensor of less bandwidth. `noise`: shot noise, anywhere, at any time, of any sign.
  `hot_pixels`: pixels that fire regularly with one sign. What is drawn is how much, from none up to
  the setting, and then which.

The same crop comes from plain files and from a training store, although events of equal time may
come in another order from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from baselines.efnet.config import AugmentConfig
from challenge.errors import ConfigError
from challenge.events import Events, elapsed
from challenge.sample import Sample

FIRES = (3.0, 100.0)
"""Events of a hot pixel in an exposure, drawn log-uniformly."""
OF_EVENTS = ("reverse", "time_shift", "drop", "noise", "hot_pixels")


def changes_events(settings: AugmentConfig) -> bool:
    """Say whether anything needs raw events."""
    return any(getattr(settings, name) for name in OF_EVENTS)


def resizes(settings: AugmentConfig) -> bool:
    """Say whether anything is brought nearer or farther."""
    return list(settings.resize) != [1.0, 1.0]


def require_events(settings: AugmentConfig, stored_kind: str | None) -> None:
    """Refuse settings that stored grids cannot follow.

    Raises:
        ConfigError: events are to be changed, and the data set has grids only.
    """
    if stored_kind is not None and changes_events(settings):
        wrong = ", ".join(f"train.augment.{name}" for name in OF_EVENTS if getattr(settings, name))
        raise ConfigError(
            f"{wrong}: this data set has stored {stored_kind} grids, in which single events cannot "
            "be changed; take raw events (another data.format), or set it to 0"
        )


def source_size(
    settings: AugmentConfig, frame: tuple[int, int], crop: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Draw the (height, width) in the frame that becomes a crop, factors log-uniform in `resize`.

    Args:
        settings: `stretch` draws a factor each for height and width.
        frame: (height, width) in pixels, at least `crop`; it limits how far scenes go.
        crop: side of the result, in pixels.
        rng: decides.
    """
    factors = _log_uniform(settings.resize, 2, rng)
    if not settings.stretch:
        factors[1] = factors[0]
    height, width = (
        min(max(round(crop / factor), 1), most) for factor, most in zip(factors, frame, strict=True)
    )
    return height, width


def augmented(part: Sample, settings: AugmentConfig, crop: int, rng: np.random.Generator) -> Sample:
    """Change a part of a frame as drawn.

    Args:
        part: with the `span` of its frame. Not modified.
        settings: what is done, and how much.
        crop: side of the result in pixels; 0 keeps the size.
        rng: decides.
    """
    if crop and part.blurry.shape[:2] != (crop, crop):
        part = resized(part, crop, crop)
    if part.events is None or part.span is None or not changes_events(settings):
        return part
    clock = part.events.t.dtype
    first, last = np.asarray(part.span, clock)
    whole_us = float(elapsed(last[None], first)[0])
    events = dataclasses.replace(part.events, t=elapsed(part.events.t, first))
    height, width = part.blurry.shape[:2]
    if rng.random() < settings.reverse:
        events = reverse(events, whole_us)
    if settings.time_shift:
        most = settings.time_shift * whole_us
        events = shift(events, float(rng.uniform(-most, most)), whole_us)
    if settings.drop:
        events = drop(events, float(rng.uniform(0, settings.drop)), width, rng)
    if settings.noise:
        number = rng.poisson(rng.uniform(0, settings.noise) * height * width)
        events = merge(events, noise(int(number), height, width, whole_us, rng))
    if settings.hot_pixels:
        number = rng.poisson(rng.uniform(0, settings.hot_pixels) * height * width)
        events = merge(events, hot_pixels(int(number), height, width, whole_us, rng))
    return dataclasses.replace(part, events=events, span=(0.0, whole_us))


def resized(part: Sample, height: int, width: int) -> Sample:
    """Bring a part of a frame to another size, in pixels."""
    old_height, old_width = part.blurry.shape[:2]
    grid, mask = part.stored_grid, part.stored_mask
    if grid is not None:
        grid = np.stack([resize_image(each[..., None], height, width)[..., 0] for each in grid])
    if mask is not None:
        rows, columns = _sources(old_height, height), _sources(old_width, width)
        mask = mask[:, rows][:, :, columns]
    events = part.events
    return dataclasses.replace(
        part,
        blurry=resize_image(part.blurry, height, width),
        sharp=None if part.sharp is None else resize_image(part.sharp, height, width),
        stored_grid=grid,
        stored_mask=mask,
        events=None if events is None else resize_events(events, part.blurry.shape, height, width),
    )


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W, up to 4), each axis as it needs: averaged where it shrinks, else linearly."""
    for rows, columns in ((height, image.shape[1]), (height, width)):
        if (rows, columns) != image.shape[:2]:
            shrinks = rows < image.shape[0] or columns < image.shape[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            new = cv2.resize(np.ascontiguousarray(image), (columns, rows), interpolation=how)
            image = new.reshape(rows, columns, image.shape[2])
    return image


def resize_events(events: Events, shape: tuple[int, ...], height: int, width: int) -> Events:
    """Give each pixel of a new (height, width) sensor the events of the one at its place.

    Args:
        events: of a sensor of `shape`: (H, W, …). Not modified.
    """
    for axis, old, new in (("y", shape[0], height), ("x", shape[1], width)):
        begins = np.searchsorted(_sources(old, new), np.arange(old + 1))
        place = getattr(events, axis)
        copies = np.diff(begins)[place]
        events = events.select(np.repeat(np.arange(len(events)), copies))
        # copy k of an event goes to the k-th of the new pixels that look where it was
        since = np.arange(len(events)) - np.repeat(np.cumsum(copies) - copies, copies)
        moved = (begins[getattr(events, axis)] + since).astype(np.int32)
        events = dataclasses.replace(events, **{axis: moved})
    return events


def _sources(old: int, new: int) -> np.ndarray:
    """Say at which of `old` pixels each of `new` ones looks: (new,), ascending."""
    return ((2 * np.arange(new) + 1) * old) // (2 * new)


def reverse(events: Events, whole_us: float) -> Events:
    """Run the time of an exposure backwards; t in microseconds since it began."""
    back = events.select(np.arange(len(events))[::-1])
    return dataclasses.replace(
        back, t=whole_us - back.t, p=np.where(back.p > 0, 0, 1).astype(back.p.dtype)
    )


def shift(events: Events, by_us: float, whole_us: float) -> Events:
    """Shift events in time; those that leave the exposure are lost."""
    later = dataclasses.replace(events, t=events.t + by_us)
    return later.select(np.flatnonzero((later.t >= 0) & (later.t <= whole_us)))


def drop(events: Events, share: float, width: int, rng: np.random.Generator) -> Events:
    """Leave out each event with a probability."""
    pixel = events.y.astype(np.int64) * width + events.x
    if len(pixel) and pixel.max() <= np.iinfo(np.uint16).max:
        pixel = pixel.astype(np.uint16)  # sorted ten times as fast
    kept = np.empty(len(events), bool)
    # drawn pixel by pixel: only within one is the order of events the same wherever they come from
    kept[np.argsort(pixel, kind="stable")] = rng.random(len(events)) >= share
    return events.select(np.flatnonzero(kept))


def noise(
    number: int, height: int, width: int, whole_us: float, rng: np.random.Generator
) -> Events:
    """Make events anywhere, at any time, of any sign."""
    return Events(
        x=rng.integers(0, width, number, np.int32),
        y=rng.integers(0, height, number, np.int32),
        t=np.sort(rng.uniform(0, whole_us, number)),
        p=rng.integers(0, 2, number, np.int8),
    )


def hot_pixels(
    number: int, height: int, width: int, whole_us: float, rng: np.random.Generator
) -> Events:
    """Make the events of pixels that fire regularly, each with one sign."""
    fires = _log_uniform(FIRES, number, rng).astype(np.int64)
    x, y = rng.integers(0, width, number, np.int32), rng.integers(0, height, number, np.int32)
    sign, phase = rng.integers(0, 2, number, np.int8), rng.random(number)
    pixel = np.repeat(np.arange(number), fires)
    turn = np.arange(len(pixel)) - np.repeat(np.cumsum(fires) - fires, fires)
    t = (turn + phase[pixel]) / fires[pixel] * whole_us
    order = np.argsort(t, kind="stable")
    return Events(x=x[pixel][order], y=y[pixel][order], t=t[order], p=sign[pixel][order])


def merge(events: Events, more: Events) -> Events:
    """Put two recordings together, in order of time; at equal times the first one's come first."""
    both = Events.concatenate([events, more])
    return both.select(np.argsort(both.t, kind="stable"))


def _log_uniform(span: Sequence[float], number: int, rng: np.random.Generator) -> np.ndarray:
    low, high = np.log(span)
    drawn: np.ndarray = np.exp(rng.uniform(low, high, number))
    return drawn
