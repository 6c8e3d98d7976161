"""Labels as W3C Web Annotations: one JSON-LD document of annotations, articles and label concepts."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from copytaster import __version__
from copytaster.annotate import Annotation
from copytaster.article import Article

NAMESPACE = UUID("c7b0e1a4-4f3f-4c52-9a59-0f6f5a1d2f6e")
"""The UUID that the names of schemes, annotations and this program are derived from."""
CONTEXT = (
    "http://www.w3.org/ns/anno.jsonld",
    {"confidence": {"@id": "http://www.w3.org/2005/11/its/rdf#taConfidence", "@type": "xsd:double"}},
)
DEFINITIONS = {
    "reporting": "Says what happened, what is, or what somebody said.",
    "opinion": "Gives the writer's own judgement, interpretation, praise, blame or prescription.",
    "call-to-action": "Asks the reader, or invites them, to do a concrete thing.",
}
"""What the labels of the shipped model mean."""
CLOSE = {
    "reporting": ("https://schema.org/ReportageNewsArticle", "http://cv.iptc.org/newscodes/genre/Current"),
    "opinion": ("https://schema.org/OpinionNewsArticle", "http://cv.iptc.org/newscodes/genre/Opinion"),
}
"""The nearest types of schema.org and genres of the IPTC; neither has one for a call to action."""
BESIDE = 32
"""Characters of the text quoted on either side of a paragraph."""
_json = json.JSONEncoder(ensure_ascii=False).encode


class Writer:
    """One JSON-LD document, an annotation a line: motivation "classifying", body a label concept.

    An annotation is a claim, so that paragraphs without a label have none. Each target is selected twice: by
    position, in code points of the article's text, and by quotation. An article is named by its id where that
    is a web address, else by the SHA-256 of its text (RFC 6920). Confidence is ITS 2.0's ``taConfidence``;
    the sentence that explains a label is a second body, with the purpose "describing".

    Parameters
    ----------
    labels : sequence of str
        The labels; each becomes a SKOS concept. The three of the shipped model are defined, and mapped by
        closeMatch to schema.org and the IPTC's genres; any other set stands for itself.
    reader : str
        What gave the probabilities.

    References
    ----------
    Web Annotation Data Model, W3C Recommendation, 23 February 2017.
    Internationalization Tag Set 2.0, W3C Recommendation, 29 October 2013, section 8.9.
    """

    independent = True

    def __init__(self, labels: Sequence[str], reader: str = "fast") -> None:
        self._scheme = _urn("labels", *sorted(labels))
        self._concept = {label: f"{self._scheme}#{quote(_bytes(label), safe='')}" for label in labels}
        readers = ("fast", "careful") if reader == "both" else (reader,)
        names = {name: f"copytaster {__version__}, reader {name}" for name in readers}
        self._software = {name: (_urn("software", text), text) for name, text in names.items()}

    def start(self) -> str:
        """Return the context, and the opening of the graph."""
        return f'{{"@context": {_json(CONTEXT)}, "@graph": [\n'

    def article(self, article: Article, annotations: Sequence[Annotation]) -> str:
        """Return an article and its annotations, each on a line that ends in a comma."""
        source = _name(article)
        nodes = [{"id": source, "type": "Text", "format": "text/plain", "dcterms:identifier": article.id}]
        nodes += [self._annotation(article.text, source, a) for a in annotations if a.label is not None]
        return "".join(f"{_json(node)},\n" for node in nodes)

    def end(self) -> str:
        """Return the software, the label concepts, and the close of the graph."""
        nodes: list[dict[str, Any]] = [
            {"id": urn, "type": "Software", "name": name} for urn, name in self._software.values()
        ]
        nodes += map(self._definition, self._concept)
        nodes.append({"id": self._scheme, "type": "skos:ConceptScheme", "label": "Purposes of paragraphs"})
        return ",\n".join(map(_json, nodes)) + "\n]}\n"

    def _annotation(self, text: str, source: str, annotation: Annotation) -> dict[str, Any]:
        start, end = annotation.start, annotation.end
        concept = self._concept[str(annotation.label)]
        body = [{"type": "SpecificResource", "purpose": "classifying", "source": concept}]
        if annotation.evidence is not None:
            why = {"type": "TextualBody", "purpose": "describing", "format": "text/plain", "language": "en"}
            body.append({**why, "value": str(annotation.evidence)})
        quotation = {
            "type": "TextQuoteSelector",
            "exact": annotation.text,
            "prefix": text[max(0, start - BESIDE) : start],
            "suffix": text[end : end + BESIDE],
        }
        position = {"type": "TextPositionSelector", "start": start, "end": end}
        target = {"type": "SpecificResource", "source": source, "selector": [position, quotation]}
        found = {
            "type": "Annotation",
            "motivation": "classifying",
            "confidence": round(annotation.confidence or 0.0, 4),
            "generator": self._software[annotation.reader][0],
            "body": body,
            "target": target,
        }
        return {"id": _urn("annotation", _json(found)), **found}

    def _definition(self, label: str) -> dict[str, Any]:
        concept = {
            "id": self._concept[label],
            "type": "skos:Concept",
            "skos:prefLabel": label,
            "skos:inScheme": {"id": self._scheme},
        }
        if self._concept.keys() != DEFINITIONS.keys():
            return concept
        english = {"@value": DEFINITIONS[label], "@language": "en"}
        close = [{"id": name} for name in CLOSE.get(label, ())]
        return {**concept, "skos:definition": english} | ({"skos:closeMatch": close} if close else {})


def _urn(*parts: str) -> str:
    return uuid5(NAMESPACE, _bytes(_json(parts)).decode()).urn


def _bytes(text: str) -> bytes:
    """Encode as UTF-8; half of a surrogate pair becomes its escape, as in the output."""
    return text.encode("utf-8", "backslashreplace")


def _name(article: Article) -> str:
    """Return an IRI for the text of an article."""
    scheme, found, rest = article.id.partition("://")
    if found and scheme in ("http", "https") and rest:
        return f"{scheme}://{quote(_bytes(rest), safe=_ADDRESS)}"
    digest = urlsafe_b64encode(sha256(_bytes(article.text)).digest()).rstrip(b"=").decode()
    return f"ni:///sha-256;{digest}"


_ADDRESS = "/?#:@!$&'()*+,;=%~"
