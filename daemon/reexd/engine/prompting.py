"""How a decoder is asked: the words before and after a document, from the prompt and the model's chat template.

With a template the document is what a user says after the prompt, and the last token read is the one after which the
model would begin its answer. Without one the prompt and an empty line stand before it. Templates are programs of
strangers: they run in Jinja's sandbox, see the prompt and nothing else, and what they print is only ever tokenised.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reexd.engine import gguf, gguf_tokenizer
from reexd.weights.gguf import read as gguf_header

# Counts changes of what is put around a document: part of a decoder's fingerprint.
FORM = 1
FILES = ("chat_template.jinja", "tokenizer_config.json")  # which decide it beside the weights of GGUF

_MARK = "\ue000document\ue001"  # private characters: no template writes them by itself
_TEMPLATE_MAX_CHARACTERS = 64 << 10


@dataclass(frozen=True, slots=True)
class Asking:
    """Of one model. `template` is empty where it has none."""

    template: str = ""
    bos: str = ""
    eos: str = ""

    def around(self, prompt: str) -> tuple[str, str, bool]:
        """What stands before and after a document under a prompt; whether that is all, without special tokens."""
        if self.template:
            before, found, after = self._rendered(f"{prompt}\n\n{_MARK}").partition(_MARK)
            if found and _MARK not in after:
                return before, after, True
        return f"{prompt}\n\n", "", False

    def _rendered(self, content: str) -> str:
        """What the template makes of one message; empty when it cannot."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        try:
            return environment.from_string(self.template).render(
                messages=[{"role": "user", "content": content}],
                add_generation_prompt=True,
                enable_thinking=False,  # where a model may, the answer comes at once
                bos_token=self.bos,
                eos_token=self.eos,
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
            return ""


def read(folder: Path) -> Asking:
    """How the model in a folder is asked; plainly, where its files say nothing that can be read."""
    said = _json(folder / "tokenizer_config.json")
    template, bos, eos = said.get("chat_template"), said.get("bos_token"), said.get("eos_token")
    if isinstance(template, list):  # several by name
        named = {each.get("name"): each.get("template") for each in template if isinstance(each, dict)}
        template = named.get("default")
    if (path := folder / "chat_template.jinja").is_file():
        template = path.read_text(encoding="utf-8", errors="replace")
    if template is None and (file := gguf.file(folder)) is not None:
        header = gguf_header(file)
        template = header.metadata.get("tokenizer.chat_template")
        bos, eos = (gguf_tokenizer.special(header, which) for which in ("bos", "eos"))
    if not isinstance(template, str) or len(template) > _TEMPLATE_MAX_CHARACTERS:
        return Asking()
    return Asking(template, _text(bos), _text(eos))


def _text(token: object) -> str:
    """A special token, written as text or as an object that has it."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else ""


def _json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
