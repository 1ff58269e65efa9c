"""The training loop: step, log, validate, save."""

from __future__ import annotations

from collections.abc import Callable

from baselines.efnet.crops import training_batches
from baselines.efnet.report import Report
from baselines.efnet.training import Training
from baselines.efnet.validation import Scores
from challenge.datasets import Dataset
from challenge.errors import DataError


def train(
    training: Training,
    frames: Dataset,
    judge: Callable[[], Scores] | None,
    judged: Dataset | None = None,
) -> None:
    """Run the iterations that are left: step, log, validate, save.

    `last.pth` is also written when the loop is left by Ctrl-C or by an error in the data.

    Args:
        training: where it stands; goes on from there.
        frames: to train on.
        judge: validates the network as it is now; None: nothing is validated.
        judged: what it validates on, to show some of it.
    """
    config, on_gpu = training.config, training.device.type == "cuda"
    settings = config.train
    batches = training_batches(frames, config.data, settings, training.iteration, on_gpu)
    report = Report(training, judged)
    try:
        for batch in report.waiting(batches):
            report.count(training.step(batch))
            if training.is_due(settings.log_every):
                report.log_losses()
            if judge and training.is_due(settings.validate_every):
                scores = judge()
                report.log_scores(scores)
                if training.is_best(scores):
                    report.save_best()
            if training.is_due(settings.save_every):
                report.save_last()
    except KeyboardInterrupt:
        report.save_last()
        raise
    except DataError as error:
        report.save_last()
        # a worker process adds its traceback; what it says last is the error itself
        raise DataError(str(error).strip().rpartition("DataError: ")[2]) from error
    finally:
        report.close()
