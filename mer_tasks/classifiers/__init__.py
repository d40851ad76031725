"""Estimators of our own that several systems share; `answers` computes with what fitting gave them."""
