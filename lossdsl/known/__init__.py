"""Losses -> what is known of them before any array is there: sign, curve, unit, where gradients are not finite."""

from lossdsl.known.report import Report as Report, TermReport as TermReport, report as report
