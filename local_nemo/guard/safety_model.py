"""The demo content-safety model: stands in for NVIDIA's 8B model on one machine, under its name and in its answer
form.

    respond([{"role": "system", ...}, {"role": "user", "content": "..."}], request)
    -> {"User Safety": "unsafe", "Safety Categories": "S24: Deleting Logs"}

It judges the last user message of the rendered prompt (the conversation in it, where the template marks one) with a
small encoder and a head of one hidden layer. It is a demonstration: it knows English, one message at a time, no context
and no images. What it can't judge it answers in words that no parser reads as a verdict.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from local_nemo.guard.head import HEAD, Head, HeadMissing
from local_nemo.lm.classification import Classification
from local_nemo.lm.encoder import WIDTH, Encoder, EncoderMissing
from local_nemo.lm.errors import EngineStopped
from local_nemo.lm.served import ServedModel

if TYPE_CHECKING:
    from local_nemo.lm.engine import Engine

log = logging.getLogger("local_nemo.guard")
MODEL_ID = "nvidia/llama-3.1-nemoguard-8b-content-safety"
ROOT = "local/content-safety-demo"
# greedy: an END marker that a user writes ends nothing
CONVERSATION = re.compile(r"<BEGIN CONVERSATION>(.*)<END CONVERSATION>", re.DOTALL)
REPLY = re.compile(r"\n\s*response: agent:")
CATEGORY = re.compile(r"^\s*(S\d{1,3}): *(.{2,80}?)[ .:]*$", re.MULTILINE)
MAX_CONTEXT = 65_536  # tokens; windows are judged one by one, so length costs time only


class SafetyModel:
    """Loads in the background; `respond` waits for it."""

    def __init__(self, encoder: Encoder, head: Path = HEAD) -> None:
        self._encoder, self._head_file = encoder, head
        self._names: dict[str, np.ndarray] = {}  # category name -> embedding

    def start(self, engine: "Engine") -> None:
        """Have the engine list and serve it, and begin to load; what goes wrong is said by each answer."""
        card = ServedModel(id=MODEL_ID, root=ROOT, parent=None, created=int(time.time()), max_model_len=MAX_CONTEXT)
        engine.mount(card, self.respond, self.classify)
        threading.Thread(target=self._load_quietly, name="guard-encoder", daemon=True).start()

    def respond(self, messages: Sequence[Mapping[str, Any]], request: Mapping[str, Any]) -> str:
        """The verdict on the last user message as JSON, or a sentence saying why there is none."""
        users = [message for message in messages if message.get("role") == "user"]
        if not users or not isinstance(users[-1].get("content"), str):
            return "No verdict: the prompt has no user message with text to judge."
        try:
            return json.dumps(self._judge(users[-1]["content"], messages))
        except (HeadMissing, EncoderMissing) as error:
            return f"No verdict: {error}"

    def classify(self, text: str) -> Classification:
        """Safe or unsafe, by the head's threshold. Raises `EngineStopped` where `respond` says that it can't judge."""
        try:
            unsafe, threshold = self.score(text), Head.load(self._head_file).threshold
        except (HeadMissing, EncoderMissing) as error:
            raise EngineStopped(f"The model {MODEL_ID} can't be run: {error}") from error
        label = "unsafe" if unsafe >= threshold else "safe"
        return Classification(label, {"safe": 1 - unsafe, "unsafe": unsafe})

    def score(self, text: str) -> float:
        """The probability that a text is unsafe: the highest of its windows. Raises `HeadMissing`, `EncoderMissing`."""
        return self._worst(text, Head.load(self._head_file))[0]

    def _judge(self, prompt: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        asked, reply = conversation(prompt)
        head = Head.load(self._head_file)
        judged = {"User Safety": self._worst(asked, head)}
        if reply is not None:
            judged["Response Safety"] = self._worst(reply, head)
        worst, embedding = max(judged.values(), key=itemgetter(0))
        # a user can write the words that open a reply; what follows them must not escape the user's verdict
        scores = {name: score for name, (score, _) in judged.items()} | {"User Safety": worst}
        answer = {name: "unsafe" if score >= head.threshold else "safe" for name, score in scores.items()}
        if worst >= head.threshold:
            policy = "\n".join(str(message.get("content")) for message in messages)
            if category := self._category(embedding, policy):
                answer["Safety Categories"] = category
        return answer

    def _worst(self, text: str, head: Head) -> tuple[float, np.ndarray]:
        """The highest score of the text's windows, and the embedding of that window."""
        rows = self._encoder.features(self._encoder.windows(text))
        scores = head.unsafe(rows)
        worst = int(scores.argmax())
        return float(scores[worst]), rows[worst, -WIDTH:]

    def _category(self, embedding: np.ndarray, policy: str) -> str | None:
        """The category of the prompt's policy whose name is nearest in meaning; a hint, not a judgement."""
        names = {f"{number}: {name}": name for number, name in CATEGORY.findall(policy)}
        if not names:
            return None
        meaning = _unit(embedding)
        return max(names, key=lambda full: float(meaning @ self._meaning(names[full])))

    def _meaning(self, name: str) -> np.ndarray:
        if name not in self._names:
            if len(self._names) > 1000:  # policies come from clients
                self._names.clear()
            self._names[name] = _unit(self._encoder.features(self._encoder.windows(name)[:1])[0, -WIDTH:])
        return self._names[name]

    def _load_quietly(self) -> None:
        try:
            self._encoder.load()
        except (EncoderMissing, OSError, RuntimeError) as error:
            log.error("the safety model could not be loaded: %s", error)


def conversation(prompt: str) -> tuple[str, str | None]:
    """The user's words and the agent's reply (None without one) in a rendered prompt.

    NVIDIA's template puts both between two markers of one user message; a plain template is the user's words alone.
    """
    marked = CONVERSATION.search(prompt)
    if marked is None:
        return prompt, None
    parts = REPLY.split(marked[1])
    asked = parts[0].strip().removeprefix("user:").strip()
    return asked, "\n".join(parts[1:]).strip() if len(parts) > 1 else None


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
