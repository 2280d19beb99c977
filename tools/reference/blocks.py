"""The page of Prefect blocks."""

from __future__ import annotations

from collections.abc import Iterator

from prefect.blocks.core import Block
from pydantic.fields import FieldInfo

from prefect_parallel.blocks.block_file import BLOCK_TYPES
from tools.reference.markdown import code, docstring, document, example, prose, table

_INTRO = """\
Blocks define the `azureml:` names in a pipeline.
[`prefect-parallel blocks apply FILE`](commands.md#prefect-parallel-blocks-apply) saves the blocks
of a Python file. [Blocks and clusters](../clusters.md) explains how names are looked up,
[Remote data](../remote_data.md) where data can be."""


def page() -> str:
    return document("Blocks", _INTRO, *(part for kind in BLOCK_TYPES for part in _block(kind)))


def _block(kind: type[Block]) -> Iterator[str]:
    doc = docstring(kind)
    own = {name: info for name, info in kind.model_fields.items() if name not in Block.model_fields}
    yield f"## {kind.get_block_type_name()}"
    yield prose(doc)
    yield example(doc)
    yield table(("field", "default", ""), (_field(name, info) for name, info in own.items()))


def _field(name: str, info: FieldInfo) -> tuple[str, str, str]:
    about = info.description or ""
    if info.examples:
        about += f" E.g. {', '.join(map(code, info.examples))}."
    if info.is_required():
        about += " **Required.**"
    has_default = not (info.is_required() or info.default is None or info.default_factory)
    return code(name), code(info.default) if has_default else "", about
