"""Losses over training: weights that adapt, histories, figures."""

from lossdsl.training.history import LossHistory as LossHistory
from lossdsl.training.plot import plot_loss_history as plot_loss_history, plot_schedule as plot_schedule
