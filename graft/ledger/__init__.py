"""The ledger: signed statements in files that are only ever added. Everything about the registry is computed from them.

    blobs/SHA256                 records, inputs, recipes and the OpenSSF signatures over models, by content
    runs/RECIPE/SHA256.json      one entry per finished run, by content
    promotions/RECIPE/NNNN.json  numbered, created exclusively: the file exists, so you lost the race

They lie in a folder or in an object store that can put conditionally.
An entry is an in-toto Statement v1 in a DSSE envelope; it names its parents by the sha256 of their files.
"""

from graft.ledger.dsse import Keyring, Signer, key_file, keyid_of, make_key
from graft.ledger.entries import PromotionPredicate, RunPredicate, Statement
from graft.ledger.index import Index
from graft.ledger.model_signature import sign_model, verify_model
from graft.ledger.store import Ledger, Promotion, Run, RunSummary
from graft.ledger.verify import LedgerTally, verify_ledger
from graft.ledger.view import LedgerView

__all__ = [
    "Index",
    "Keyring",
    "Ledger",
    "LedgerTally",
    "LedgerView",
    "Promotion",
    "PromotionPredicate",
    "Run",
    "RunPredicate",
    "RunSummary",
    "Signer",
    "Statement",
    "key_file",
    "keyid_of",
    "make_key",
    "sign_model",
    "verify_ledger",
    "verify_model",
]
