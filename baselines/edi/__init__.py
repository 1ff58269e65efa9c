"""Event double integral: deblurring without learning."""
