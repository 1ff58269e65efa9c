"""Moving scenes made of photographs and textures: the camera moves, and objects fly past.

All light is linear. Lengths are in pixels of the picture unless a name says otherwise; a scene
grows with its picture, so a 1632 x 1224 scene is the 320 x 240 scene seen by a finer sensor.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from challenge.simulation.photographs import (
    HIGHLIGHTS,
    LICENCES,
    beyond_white,
    load_photograph,
    mirror,
    resize,
    to_grey,
    vary,
)
from challenge.simulation.textures import draw_texture

REFERENCE_PIXELS = 320 * 240
"""The picture size for which the speeds below are written."""
EXPOSURE_US = 15_000

SPEEDS = {  # RMS per exposure: shift in pixels at 320 x 240, rotation in degrees, zoom in percent
    "pan": (15.0, 0.5, 0.5),
    "shake": (11.0, 2.0, 1.5),
    "spin": (6.0, 5.0, 1.0),
    "zoom": (6.0, 1.0, 7.0),
    "tripod": (0.0, 0.0, 0.0),  # only the objects move
    "still": (0.0, 0.0, 0.0),  # not even they
}
STILL = "still"
OBJECT_SPEED = (12.0, 5.0, 2.0)
OBJECT_PACE = (0.5, 1.5)
OBJECT_RADIUS = (18.0, 48.0)  # in pixels at 320 x 240
LARGEST_OBJECT_COUNT = 3

WAVES = 2
SLOWEST_HZ, FASTEST_HZ = 7.0, 14.0  # quick enough for a photograph to hold the whole path

MARGIN = 2.0  # photograph pixels that always remain around what the camera sees
LARGEST_ENLARGEMENT = 1.2  # beyond what is needed; more would only soften the detail

STOPS = (-0.7, 0.4)  # exposures under and over that of the photograph, in powers of two


@dataclass(frozen=True)
class SmoothPath:
    """A smooth path through (x, y, angle, log zoom): a sum of sines, each array (4, waves).

    x and y in pixels, angle in radians, frequency in Hz, phase in radians.
    """

    amplitude: np.ndarray
    frequency_hz: np.ndarray
    phase: np.ndarray

    def at(self, t_us: float) -> np.ndarray:
        """Compute x, y, angle, log zoom at a moment in microseconds: (4,) float64."""
        turn = 2 * np.pi * self.frequency_hz * (t_us / 1e6) + self.phase
        return np.asarray((self.amplitude * np.sin(turn)).sum(axis=1))


def draw_path(
    speed: tuple[float, float, float],
    scale: float,
    pace: float,
    rng: np.random.Generator,
    exposure_us: float = EXPOSURE_US,
    hz: tuple[float, float] = (SLOWEST_HZ, FASTEST_HZ),
) -> SmoothPath:
    """Draw a path from a speed as in SPEEDS.

    Args:
        speed: RMS per exposure: shift in pixels at 320 x 240, rotation in degrees, zoom in percent.
            A random direction shares the shift out between x and y.
        scale: sides of the picture relative to 320 x 240.
        pace: multiplies all three.
        exposure_us: the time in which that way is gone.
        hz: between which the frequencies of the waves lie.
    """
    shift, degrees, percent = speed
    direction = rng.uniform(0, 2 * np.pi)
    x, y = shift * scale * np.cos(direction), shift * scale * np.sin(direction)
    rms = pace * np.abs([x, y, np.deg2rad(degrees), percent / 100])
    frequency = rng.uniform(*hz, (4, WAVES))
    swing = 2 * np.pi * frequency * (exposure_us / 1e6)  # radians per exposure
    amplitude = rms[:, None] * np.sqrt(2 / WAVES) / swing
    return SmoothPath(amplitude, frequency, rng.uniform(0, 2 * np.pi, (4, WAVES)))


@dataclass(frozen=True)
class MovingObject:
    """A piece of a photograph that moves by itself.

    patch: (N, N, 4) float32 linear RGB, multiplied by its alpha, and alpha.
    finer: patch pixels per picture pixel. home: (x, y) of its centre where its path is zero.
    """

    patch: np.ndarray
    finer: float
    home: np.ndarray
    path: SmoothPath


@dataclass(frozen=True)
class Scene:
    """A photograph, the camera's path over it, and what flies past in front.

    world: (H, W, 3) float32 linear light, 1 where the frame's sensor is full. finer: world pixels
    per picture pixel. home: (x, y) in world pixels of what the picture's centre sees where the path
    is zero. grey: whether a camera without colours sees it, all channels being equal.
    """

    height: int
    width: int
    world: np.ndarray
    finer: float
    home: np.ndarray
    path: SmoothPath
    objects: tuple[MovingObject, ...]
    grey: bool


@dataclass(frozen=True)
class Look:
    """How a scene is seen.

    gain: what the photographs' light is multiplied by. grey: by a camera without colours. recolour:
    turn, mirror and recolour the photographs, for more variety in training. highlights: see
    `beyond_white`.
    """

    gain: float = 1.0
    grey: bool = False
    recolour: bool = False
    highlights: float = HIGHLIGHTS

    def variant(self, photograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mirror a photograph or not, and change it more where it may be recoloured."""
        return vary(photograph, rng) if self.recolour else mirror(photograph, rng)

    def light(self, photograph: np.ndarray) -> np.ndarray:
        """Turn light in [0, 1] into light that may lie beyond the sensor's range."""
        light = beyond_white(photograph, self.highlights) * np.float32(self.gain)
        return to_grey(light) if self.grey else light


def draw_look(grey: bool, recolour: bool, rng: np.random.Generator) -> Look:
    """Draw an exposure, between `STOPS`."""
    return Look(float(2.0 ** rng.uniform(*STOPS)), grey, recolour)


def take_picture(name: str, rng: np.random.Generator) -> np.ndarray:
    """Load a photograph, or draw a texture: (H, W, 3) float32 linear light in [0, 1]."""
    return load_photograph(name) if name in LICENCES else draw_texture(name, rng)


def picture_to_world(
    path: SmoothPath, home: np.ndarray, finer: float, height: int, width: int, t_us: float
) -> np.ndarray:
    """Compute the (2, 3) matrix from (x, y, 1) of the picture to (x, y) of the world at `t_us`."""
    x, y, angle, log_zoom = path.at(t_us)
    size = finer * np.exp(-log_zoom)
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = np.asarray(home) + finer * np.array([x, y]) - turn @ centre
    return np.hstack([turn, shift[:, None]])


def reach(path: SmoothPath, height: int, width: int, times_us: np.ndarray) -> np.ndarray:
    """Find the lowest and highest (x, y) that any corner sees: (2, 2), picture pixels from home."""
    corners = np.array(
        [[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]]
    )
    home = np.zeros(2)
    seen = np.concatenate(
        [corners @ picture_to_world(path, home, 1.0, height, width, t).T for t in times_us]
    )
    return np.stack([seen.min(axis=0), seen.max(axis=0)])


def draw_scene(
    background: str,
    textures: tuple[str, ...],
    motion: str,
    pace: float,
    height: int,
    width: int,
    times_us: np.ndarray,
    rng: np.random.Generator,
    look: Look,
) -> Scene:
    """Draw a scene whose picture never leaves its photograph at any of the moments `times_us`.

    Args:
        background, textures: names of photographs or textures, behind, and for the objects.
        motion: a key of SPEEDS; pace multiplies its speeds.
    """
    photograph = look.variant(take_picture(background, rng), rng)
    scale = float(np.sqrt(height * width / REFERENCE_PIXELS))
    path = draw_path(SPEEDS[motion], scale, pace, rng)
    extent = reach(path, height, width, times_us)
    world, finer, home = place(photograph, extent, scale, rng)
    number = int(rng.integers(1, LARGEST_OBJECT_COUNT + 1))
    still = motion == STILL
    objects = []
    for _ in range(number):
        piece = take_picture(str(rng.choice(textures)), rng)
        if look.recolour:
            piece = vary(piece, rng)
        shape = cut_object(piece, scale, scale, rng, look)
        home_of_it = rng.uniform(0.1, 0.9, 2) * np.array([width, height])
        pace_of_it = float(rng.uniform(*((0.0, 0.0) if still else OBJECT_PACE)))
        way = draw_path(OBJECT_SPEED, scale, pace_of_it, rng)
        objects.append(MovingObject(*shape, home_of_it, way))
    return Scene(height, width, look.light(world), finer, home, path, tuple(objects), look.grey)


def place(
    photograph: np.ndarray,
    extent: np.ndarray,
    least: float,
    rng: np.random.Generator,
    most_pixels: int = 1 << 26,
) -> tuple[np.ndarray, float, np.ndarray]:
    """Choose where in a photograph the camera is, and how near.

    Args:
        photograph: (H, W, 3) float32 linear light.
        extent: (2, 2) of `reach`: what it ever sees lies in the photograph.
        least: picture pixels that a pixel of the photograph becomes, at least.
        most_pixels: of what is returned; else it is enlarged less.

    Returns:
        The part that the camera ever sees, enlarged so that linear interpolation blurs little; its
        pixels per picture pixel; and (x, y) in it of what the picture's centre sees where the path
        is zero.
    """
    low, high = extent
    room = np.array([photograph.shape[1], photograph.shape[0]]) - 1 - 2 * MARGIN
    enlarged = max(float(np.max((high - low) / room)), least) * rng.uniform(
        1.0, LARGEST_ENLARGEMENT
    )
    home = rng.uniform(MARGIN - low / enlarged, MARGIN + room - high / enlarged)
    first = np.floor(home + low / enlarged - MARGIN).astype(int)  # what the camera ever sees
    last = np.ceil(home + high / enlarged + MARGIN).astype(int)
    seen = float(np.prod(last - first + 1))
    finer = max(min(fineness(enlarged), int(np.sqrt(most_pixels / seen))), 1)
    world = resize(photograph[first[1] : last[1] + 1, first[0] : last[0] + 1], finer)
    return world, finer / enlarged, (home - first + 0.5) * finer - 0.5


def fineness(enlarged: float) -> int:
    """Choose how much to enlarge by cubic interpolation, so that the linear one blurs little."""
    return min(int(np.ceil(2 * enlarged)), 6)


def cut_object(
    photograph: np.ndarray,
    scale: float,
    least: float,
    rng: np.random.Generator,
    look: Look,
    radius: tuple[float, float] = OBJECT_RADIUS,
) -> tuple[np.ndarray, float]:
    """Cut a disc or a polygon out of a random part of a photograph.

    Args:
        photograph: (H, W, 3) float32 linear light, large enough.
        scale: sides of the picture relative to 320 x 240.
        least: picture pixels that a pixel of the photograph becomes, at least.
        radius: between which it lies, in pixels at 320 x 240.

    Returns:
        (N, N, 4) patch of a `MovingObject`, and its pixels per picture pixel.
    """
    far = float(rng.uniform(*radius)) * (scale / least)  # in pixels of the photograph
    size = 2 * int(np.ceil(far)) + 3
    left, top = (int(rng.integers(0, side - size)) for side in photograph.shape[1::-1])
    enlarged = least * rng.uniform(1.0, LARGEST_ENLARGEMENT)
    finer = fineness(enlarged)
    colour = look.light(resize(photograph[top : top + size, left : left + size], finer))
    alpha = draw_alpha(size * finer, far * finer, rng)[:, :, None]
    return np.concatenate([colour * alpha, alpha], axis=2), finer / enlarged


def draw_alpha(size: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a disc or a polygon in it, edges smooth: (size, size) float32 in [0, 1]."""
    finer = 4
    mask = np.zeros((size * finer, size * finer), np.uint8)
    middle = size * finer / 2
    corners = int(rng.integers(2, 8))
    turns = np.sort(rng.uniform(0, 0.6, corners) + np.arange(corners)) * 2 * np.pi / corners
    if corners == 2:  # a disc
        turns = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    around = np.stack([np.cos(turns), np.sin(turns)], axis=1) * radius * finer + middle
    cv2.fillPoly(mask, [np.round(around).astype(np.int32)], 255)
    small = cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def render(scene: Scene, t_us: float, behind: np.ndarray | None = None) -> np.ndarray:
    """Render the picture at one moment: (H, W, 3) float32 linear light, at least 0.

    Args:
        behind: what `background` gave, if the camera stands; else it is rendered too.
    """
    picture = background(scene, t_us) if behind is None else behind.copy()
    for thing in scene.objects:
        paste(picture, thing, t_us)
    # interpolating three equal channels may round each of them in its own way
    return np.repeat(picture[:, :, :1], 3, axis=2) if scene.grey else picture


def background(scene: Scene, t_us: float) -> np.ndarray:
    """Render what is behind the objects."""
    size = (scene.width, scene.height)
    matrix = picture_to_world(scene.path, scene.home, scene.finer, scene.height, scene.width, t_us)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(
        scene.world, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(picture)


def paste(picture: np.ndarray, thing: MovingObject, t_us: float) -> None:
    """Draw an object over the picture, in place."""
    height, width = picture.shape[:2]
    x, y, angle, log_zoom = thing.path.at(t_us)
    size = np.exp(log_zoom) / thing.finer  # picture pixels per patch pixel
    half = thing.patch.shape[0] * size * np.sqrt(0.5) + 1
    centre = thing.home + np.array([x, y])
    left, top = np.maximum(np.floor(centre - half), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + half), [width, height]).astype(int)
    if right <= left or bottom <= top:
        return
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    turn = np.array([[cos, sin], [-sin, cos]])
    middle = (thing.patch.shape[0] - 1) / 2
    matrix = np.hstack([turn, (middle - turn @ (centre - [left, top]))[:, None]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    layer = cv2.warpAffine(thing.patch, matrix, (right - left, bottom - top), flags=flags)
    part = picture[top:bottom, left:right]
    part *= 1 - layer[:, :, 3:]
    part += layer[:, :, :3]
