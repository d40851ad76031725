"""The paper's first model: logistic regression on standardised features."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mer_tasks import settings


def build(model: settings.LogisticRegression, seed: int) -> Pipeline:
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=model.C, max_iter=model.max_iter, random_state=seed)
    )
