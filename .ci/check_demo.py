"""Checks the demo's summary: nothing lost, equal to the oracle, as accurate as it should be."""
import json
import sys

summary = json.loads(sys.stdin.read())
wanted = {
    "agencies": summary["agencies"] == 3,
    "records": summary["records"] == 1070,
    "oracle_equal": summary["oracle_equal"] is True,
    "true_pairs": summary["true_pairs"] == 163,
    "tokens": summary["tokens"] == summary["linkage_keys"] > 10_000,
    "precision": summary["precision"] >= 0.40,
    "recall": summary["recall"] >= 0.80,
    "found": summary["found_pairs"] == summary["true_positives"] + summary["false_positives"],
}
wrong = [name for name, holds in wanted.items() if not holds]
if wrong:
    sys.exit(f"the demo's summary is wrong in: {', '.join(wrong)}")
