"""The result of an audit is read correctly."""

from pathlib import Path

import pytest

from tests.support.training import done
from training.data.audit_result import read_audit
from training.data.copies import group
from training.data.decoded import decode
from training.data.folders import find_pictures
from training.errors import DataError


def test_pairs_that_only_the_network_found_part_and_group_as_well(collections: Path) -> None:
    out = collections / "audit"
    done("audit", "--data", collections / "first", collections / "second", "--out", out,
         "--cache", collections / "cache")  # fmt: skip
    with (out / "pairs.csv").open("a") as table:
        table.write("first/Training/glioma/3.png,second/pituitary/0.png,glioma,pituitary,0.9700,0,network\n")
    audited = read_audit(out)
    # Names differ from the audit's: only the contents count.
    first, second = (
        find_pictures([collections / name], "tumor_type").pictures for name in ("first/Training", "second")
    )
    readable = [p for p in second if p.path.name != "broken.png"]
    assert {p.path.name for p, copied in zip(first, audited.copies_of(first, readable), strict=True) if copied} == {
        "3.png"
    }
    decoded = decode([*first, *readable], 80)
    places = {(p.class_name, p.path.name): i for i, p in enumerate(decoded.pictures)}
    pair = places["glioma", "3.png"], places["pituitary", "0.png"]
    apart, together = group(decoded), group(decoded, links=audited.links(decoded.pictures))
    assert apart[pair[0]] != apart[pair[1]]
    assert together[pair[0]] == together[pair[1]]
    assert together.max() == apart.max() - 1


def test_audit_of_other_pictures_is_a_clear_error(collections: Path) -> None:
    out = collections / "audit"
    done("audit", "--data", collections / "first", "--out", out, "--cache", collections / "cache")
    with pytest.raises(DataError, match="--model"):
        read_audit(out)
    with (out / "pairs.csv").open("a") as table:
        table.write("first/Training/glioma/3.png,first/Training/no_tumor/0.png,glioma,no_tumor,0.9700,0,network\n")
    others = find_pictures([collections / "second"], "tumor_type").pictures
    with pytest.raises(DataError, match="second/meningioma/copy"):
        read_audit(out).links(others)
    with pytest.raises(DataError, match="nowhere"):
        read_audit(collections / "nowhere")
