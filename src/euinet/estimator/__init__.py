"""EuiNet as scikit-learn estimators: arrays and labels in, a class or "none of these" out.

`EuiNetClassifier` is fitted as any classifier; `EuiNetOutlierDetector` is its view of +1 known, −1 none of
these. No torch until something is fitted or predicted.
"""

from euinet.estimator.classifier import EuiNetClassifier, EuiNetOutlierDetector, SmallPromiseWarning

__all__ = ["EuiNetClassifier", "EuiNetOutlierDetector", "SmallPromiseWarning"]
