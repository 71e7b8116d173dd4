"""Certificates: the smoothed predictor, the record, the store, and the independent checker."""

from heatproof.certification._adapters import BlackBox
from heatproof.certification._api import certify, predict
from heatproof.certification._bounds import Look
from heatproof.certification._combine import CombinedCertificate, best_of
from heatproof.certification._export import export_certificates
from heatproof.certification._guarantee import guarantee
from heatproof.certification._holm import HolmTable
from heatproof.certification._identity import fingerprint
from heatproof.certification._node_record import NodeCertificate, NodeCertificates, NodeSettings
from heatproof.certification._record import ABSTAIN, Certificate, make_certificate
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._smoothed import SmoothedPredictor
from heatproof.certification._store import CertificateStore
from heatproof.certification.checking.verify import Verification, verify_store
from heatproof.certification.margin import MarginCertificate, certify_margin, strongest
from heatproof.certification.nodes import certify_nodes
from heatproof.certification.results import Certificates
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.splitting import SplittingCertificate, certify_splitting

__all__ = [
    "ABSTAIN",
    "BlackBox",
    "Certificate",
    "CertificateStore",
    "Certificates",
    "CertificationSettings",
    "CombinedCertificate",
    "Execution",
    "HolmTable",
    "Look",
    "MarginCertificate",
    "NodeCertificate",
    "NodeCertificates",
    "NodeSettings",
    "SmoothedPredictor",
    "SplittingCertificate",
    "Verification",
    "best_of",
    "certify",
    "certify_margin",
    "certify_nodes",
    "certify_splitting",
    "export_certificates",
    "fingerprint",
    "guarantee",
    "make_certificate",
    "predict",
    "strongest",
    "verify_store",
]
