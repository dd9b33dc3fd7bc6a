"""One of many that promote at once: in each round it tries to take the next number, and says whether it won.

python -m tests.support.racing_promoter PLACE FOLDER ROUNDS ME    reads "go" per round, answers "won NUMBER" or what it was told
"""

from __future__ import annotations

import sys
from pathlib import Path

from graft.errors import BusyError
from graft.ledger import Keyring, Ledger, PromotionPredicate, Signer

A = "a" * 64


def say(line: str) -> None:
    """Write a line, and wait for one."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main() -> None:
    """Promote once a round."""
    place, folder, n_rounds, me = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    ledger = Ledger(place if place.startswith("s3://") else Path(place), Keyring(folder / "trusted"))
    signer = Signer(folder / "key.pem")
    for _ in range(n_rounds):
        before = ledger.promotions("mail")
        number = f"{len(before) + 1:04}"
        predicate = PromotionPredicate(
            recipe="mail", number=number, action="promote", model_id=A, model_number=number, folder_md5=f"{'a' * 32}.dir",
            signature_sha256=A, run=A, parent=before[-1].entry if before else None, reason=f"by {me}", by=me,
            at="2026-11-01T10:00:00Z", overrides=False,
        )  # fmt: skip
        say("ready")
        try:
            said = f"won {ledger.add_promotion(predicate, signer).entry}"
        except BusyError as error:
            said = f"{error.code} {number}"
        say(said)


if __name__ == "__main__":
    main()
