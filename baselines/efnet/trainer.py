"""The training loop: step, log, validate, save."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from baselines.distributed import EndedElsewhere
from baselines.efnet.crops import frames_of, training_batches
from baselines.efnet.report import report_of
from baselines.efnet.training import Training
from baselines.efnet.validation import Scores
from baselines.stopping import Stop, Stopped
from challenge.datasets import Dataset
from challenge.errors import ChallengeError, DataError
from challenge.findings import shorten


def train(
    training: Training,
    frames: Dataset,
    judge: Callable[[], Scores] | None,
    stop: Stop,
    judged: Dataset | None = None,
) -> None:
    """Run the iterations that are left: step, log, validate, save.

    `last.pth` is also written when the loop is left since it was asked to stop, or by an error in
    the data. A step, a row and a save are done whole before that; waiting for data and validating
    are broken off.

    Args:
        training: where it stands; goes on from there.
        frames: to train on.
        judge: validates the network as it is now; None: nothing is validated.
        stop: knows whether to stop.
        judged: what is validated on, to show some of it.

    Raises:
        Stopped: it was asked to stop, and has saved.
        ChallengeError: data are damaged, or one step after the other is no number.
    """
    settings = training.config.train
    on_gpu = training.device.type == "cuda"
    batches = training_batches(
        frames, training.config.data, settings, training.iteration, on_gpu, training.world
    )
    report = report_of(training, judged)

    def validate() -> None:
        assert judge
        with stop.at_once():
            scores = judge()
        report.log_scores(scores)
        if training.is_best(scores):
            report.save_best()

    with stop.later(), contextlib.closing(report), contextlib.closing(batches):
        try:
            if judge and training.owes_validation():
                validate()
            for batch in stop.between(report.waiting(batches)):
                training.step(batch)
                report.count()
                refuse_nonsense(training, frames)
                if training.is_due(settings.log_every):
                    report.log_losses()
                if judge and training.is_due(settings.validate_every):
                    validate()
                if training.is_due(settings.save_every):
                    report.save_last()
        except (Stopped, EndedElsewhere):
            report.save_last()
            raise
        except DataError as error:
            report.save_last()
            # a worker process adds its traceback; what it says last is the error itself
            raise DataError(str(error).strip().rpartition("DataError: ")[2]) from error


def refuse_nonsense(training: Training, frames: Dataset) -> None:
    """Stop a training whose last steps were all skipped; the checkpoints on disk are from before.

    Raises:
        ChallengeError: `train.stop_after_nan` in a row; names the frames that these steps saw, as
            far as one knows which processes' they were.
    """
    settings, skipped = training.config.train, training.skipped
    if len(skipped) < settings.stop_after_nan:
        return
    count = training.world.size
    names = [
        name
        for back, culprits in enumerate(reversed(skipped), 1)
        for name in frames_of(frames, settings, training.iteration - back, count, culprits)
    ]
    loss, norm, *_ = training.steps[-1]
    raise ChallengeError(
        f"iteration {training.iteration}: the loss is {loss}, the norm of its gradient {norm}, and "
        f"the {len(skipped)} last steps were all skipped; try a lower train.learning_rate, or "
        "train.precision=float32, or look at the frames that these steps saw, the last ones first; "
        "the checkpoints on disk are from before",
        shorten(list(dict.fromkeys(names)), 8),
    )
