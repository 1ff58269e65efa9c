"""The trainings in `runs/`, read from what they wrote: `bash run.sh runs`."""
