"""Certificates: the smoothed predictor, the record, the store, and the independent checker."""

from heatproof.certify._api import certify
from heatproof.certify._export import export_certificates
from heatproof.certify._model import fingerprint
from heatproof.certify._record import (
    ABSTAIN,
    Certificate,
    CertificationSettings,
    guarantee,
    make_certificate,
)
from heatproof.certify._smoothed import SmoothedPredictor
from heatproof.certify._store import CertificateStore
from heatproof.certify._verify import Verification, verify_store

__all__ = [
    "ABSTAIN",
    "Certificate",
    "CertificateStore",
    "CertificationSettings",
    "SmoothedPredictor",
    "Verification",
    "certify",
    "export_certificates",
    "fingerprint",
    "guarantee",
    "make_certificate",
    "verify_store",
]
