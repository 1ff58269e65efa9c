"""The server's figures beside the local ones of every profile: which of them it reports."""

from __future__ import annotations

import re
from collections.abc import Mapping

Figures = Mapping[str, tuple[float, float | None]]
"""Profile -> its local PSNR in dB and SSIM, the profile that ranks first."""

AGREES = 0.01  # dB; servers show two to four digits
SSIM_AGREES = 5e-4  # and the published code computes in float32
Y_MARGIN = (1.3, 4.8)  # dB by which PSNR on Y reads higher than on RGB
FIGURE = re.compile(r"(?P<profile>\w+)=(?P<psnr>-?[\d.]+)/(?P<ssim>-?[\d.]+)")


def write_figures(means: Mapping[str, Mapping[str, float]]) -> str:
    """Write the figures of every profile into one cell.

    >>> write_figures({"ntire_y": {"psnr": 33.25, "ssim": 0.9}})
    'ntire_y=33.250000/0.900000'
    """
    return " ".join(
        f"{profile}={each['psnr']:.6f}/{each['ssim']:.6f}" for profile, each in means.items()
    )


def read_figures(text: str) -> dict[str, tuple[float, float | None]]:
    """Read what `write_figures` wrote; what else is in it is passed over.

    >>> read_figures("ntire_y=33.250000/0.900000")
    {'ntire_y': (33.25, 0.9)}
    """
    figures: dict[str, tuple[float, float | None]] = {}
    for found in FIGURE.finditer(text):
        try:
            figures[found["profile"]] = float(found["psnr"]), float(found["ssim"])
        except ValueError:  # 1.2.3
            continue
    return figures


def matching(local: Figures, psnr: float, ssim: float | None) -> list[str]:
    """List the profiles that agree with the server: by PSNR, and by SSIM where both are known."""
    return [
        profile
        for profile, (own_psnr, own_ssim) in local.items()
        if abs(psnr - own_psnr) <= AGREES
        and (ssim is None or own_ssim is None or abs(ssim - own_ssim) <= _tolerance(ssim))
    ]


def explain_drift(local: Figures, psnr: float, ssim: float | None) -> str:
    """Explain in one sentence which local figures the server's are, and what that means."""
    ranks = next(iter(local))
    drift = psnr - local[ranks][0]
    found = matching(local, psnr, ssim)
    if ranks in found:
        also = f", under {' and '.join(found)} alike" if len(found) > 1 else f", {ranks}"
        return f"the server agrees with the local score ({drift:+.4f} dB){also}"
    if found:
        names = " and ".join(found)
        apart = psnr - local[found[0]][0]
        return (
            f"the server reports {names} ({apart:+.4f} dB), not {ranks} ({drift:+.4f} dB); "
            f"compare with that: `profile: {found[0]}` in the rules"
        )
    if by_psnr := matching(local, psnr, None):
        names = " and ".join(by_psnr)
        return f"the server's PSNR is that of {names}, but its SSIM {ssim:.4f} is of no profile"
    start = f"the server reads {abs(drift):.4f} dB {'higher' if drift > 0 else 'lower'}"
    if len(local) > 1:
        nearest = min(local, key=lambda profile: abs(psnr - local[profile][0]))
        start += f" than {ranks}, and agrees with no profile"
        start += f" (nearest: {nearest}, {psnr - local[nearest][0]:+.4f} dB)"
    elif Y_MARGIN[0] <= drift <= Y_MARGIN[1] and ranks != "ntire_y":
        return f"{start}: it may score Y alone; score again and pack again to compare with ntire_y"
    if drift < -Y_MARGIN[0]:
        return (
            f"{start}: it may pair the images differently or score them under another definition, "
            "or the zip is not the one that was scored; run bash run.sh check on the zip"
        )
    return f"{start}: another definition of the score, or other frames; compare their numbers"


def _tolerance(figure: float) -> float:
    """Half of the last digit that is shown, at least SSIM_AGREES."""
    digits = len(f"{figure!r}".partition(".")[2])
    return max(0.5 * 10.0**-digits, SSIM_AGREES) + 1e-9
