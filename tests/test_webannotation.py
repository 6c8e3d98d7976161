from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import stubs
from hypothesis import given, settings
from hypothesis import strategies as st

from copytaster.annotate import Annotation, Annotator
from copytaster.article import Article, segment
from copytaster.webannotation import BESIDE, CLOSE, CONTEXT, DEFINITIONS, Writer
from copytaster.writers import encode

STUB = [sys.executable, str(Path(__file__).with_name("stubs.py"))]
PAGE = """# Ferry row

The ferry 🛳 Ångström was cut on Monday, the clerk said.

The council must act now, before the winter comes.

- Sign the petition at the town hall.

The mayor must perhaps think again about the ferry.
"""
OA = "http://www.w3.org/ns/oa#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
CONFIDENCE = "http://www.w3.org/2005/11/its/rdf#taConfidence"
XSD = "http://www.w3.org/2001/XMLSchema#"


def link(name: str, kind: str = "@id") -> dict[str, str]:
    return {"@id": name, "@type": kind}


TERMS = {
    "dcterms": "http://purl.org/dc/terms/",
    "skos": SKOS,
    "xsd": XSD,
    "id": "@id",
    "type": "@type",
    "Annotation": OA + "Annotation",
    "SpecificResource": OA + "SpecificResource",
    "TextPositionSelector": OA + "TextPositionSelector",
    "TextQuoteSelector": OA + "TextQuoteSelector",
    "TextualBody": OA + "TextualBody",
    "Software": "http://www.w3.org/ns/activitystreams#Application",
    "Text": "http://purl.org/dc/dcmitype/Text",
    "classifying": OA + "classifying",
    "describing": OA + "describing",
    "motivation": link(OA + "motivatedBy", "@vocab"),
    "purpose": link(OA + "hasPurpose", "@vocab"),
    "body": link(OA + "hasBody"),
    "target": link(OA + "hasTarget"),
    "source": link(OA + "hasSource"),
    "selector": link(OA + "hasSelector"),
    "generator": link("http://www.w3.org/ns/activitystreams#generator"),
    "start": link(OA + "start", XSD + "nonNegativeInteger"),
    "end": link(OA + "end", XSD + "nonNegativeInteger"),
    "exact": OA + "exact",
    "prefix": OA + "prefix",
    "suffix": OA + "suffix",
    "format": "http://purl.org/dc/elements/1.1/format",
    "language": "http://purl.org/dc/elements/1.1/language",
    "value": "http://www.w3.org/1999/02/22-rdf-syntax-ns#value",
    "name": "http://xmlns.com/foaf/0.1/name",
    "label": "http://www.w3.org/2000/01/rdf-schema#label",
}
"""What the Web Annotation context says of the terms in use here."""


def annotated(text: str = PAGE, id: str = "x", **options: Any) -> tuple[Article, list[Annotation]]:
    article = Article(id, text, segment(text))
    return article, Annotator(stubs.StubModel(), **options).annotate_all([article])[0]  # type: ignore[arg-type]


def write(*articles: tuple[Article, list[Annotation]], labels: tuple[str, ...] = stubs.LABELS) -> str:
    writer = Writer(labels)
    text = writer.start() + "".join(writer.article(*each) for each in articles) + writer.end()
    return encode(text).decode()


def nodes(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [node for node in document["@graph"] if node["type"] == kind]


def check(text: str, *articles: Article) -> dict[str, Any]:
    """Check the rules of the Web Annotation Data Model, and that what is pointed to is there."""
    document: dict[str, Any] = json.loads(text)
    assert document["@context"] == json.loads(json.dumps(CONTEXT))
    ids = [node["id"] for node in document["@graph"]]
    assert all(":" in name for name in ids)
    sources = {node["id"]: node["dcterms:identifier"] for node in nodes(document, "Text")}
    concepts = {node["id"] for node in nodes(document, "skos:Concept")}
    (scheme,) = nodes(document, "skos:ConceptScheme")
    (software,) = nodes(document, "Software")
    assert all(node["skos:inScheme"] == {"id": scheme["id"]} for node in nodes(document, "skos:Concept"))
    texts = {article.id: article.text for article in articles}
    found = nodes(document, "Annotation")
    assert len({node["id"] for node in found}) == len({json.dumps(node) for node in found})
    for node in found:
        assert uuid.UUID(node["id"]).version == 5
        assert node["motivation"] == "classifying" and node["generator"] == software["id"]
        assert 0 <= node["confidence"] <= 1
        assert node["body"][0]["purpose"] == "classifying" and node["body"][0]["source"] in concepts
        target = node["target"]
        assert target["type"] == "SpecificResource" and target["source"] in sources
        position, quotation = target["selector"]
        start, end = position["start"], position["end"]
        assert 0 <= start < end
        if texts:
            text = texts[sources[target["source"]]]
            assert quotation["exact"] == text[start:end]
            assert quotation["prefix"] == text[max(0, start - BESIDE) : start]
            assert quotation["suffix"] == text[end : end + BESIDE]
    return document


def test_document() -> None:
    article, annotations = annotated(min_confidence=0.5)
    document = check(write((article, annotations)), article)
    labelled = [a for a in annotations if a.status == "labelled"]
    assert len(labelled) == 3
    for node, a in zip(nodes(document, "Annotation"), labelled, strict=True):
        assert node["body"][0]["source"].endswith(f"#{a.label}")
        assert node["confidence"] == round(a.confidence or 0, 4)
    digest = base64.urlsafe_b64encode(hashlib.sha256(PAGE.encode()).digest()).rstrip(b"=").decode()
    assert nodes(document, "Text")[0]["id"] == f"ni:///sha-256;{digest}"


def test_concepts() -> None:
    concepts = {node["skos:prefLabel"]: node for node in nodes(check(write()), "skos:Concept")}
    assert tuple(concepts) == stubs.LABELS
    for label, node in concepts.items():
        assert node["skos:definition"]["@value"] == DEFINITIONS[label]
        assert [each["id"] for each in node.get("skos:closeMatch", [])] == list(CLOSE.get(label, ()))
    assert "skos:closeMatch" not in concepts["call-to-action"]
    assert concepts["opinion"]["id"].startswith("urn:uuid:") and concepts["opinion"]["id"].endswith(
        "#opinion"
    )
    again = nodes(check(write(labels=stubs.LABELS[::-1])), "skos:Concept")
    assert {node["id"] for node in again} == {node["id"] for node in concepts.values()}


@pytest.mark.parametrize("labels", [("reporting", "opinion"), ("a b", "ä#/", "opinion", "reporting"), ()])
def test_other_labels_are_not_mapped(labels: tuple[str, ...]) -> None:
    ours = {node["id"] for node in nodes(check(write()), "skos:Concept")}
    concepts = nodes(check(write(labels=labels)), "skos:Concept")
    assert [node["skos:prefLabel"] for node in concepts] == list(labels)
    assert not ours & {node["id"] for node in concepts}
    assert not any({"skos:closeMatch", "skos:definition"} & node.keys() for node in concepts)
    assert all(" " not in node["id"] and node["id"].count("#") == 1 for node in concepts)


def test_names_of_articles() -> None:
    ids = ("https://news.example/a b?c=ü#d", "http://", "javascript:x", "file:///etc", "-", "")
    articles = [annotated(f"{PAGE}\n{i}", id) for i, id in enumerate(ids)]
    document = check(write(*articles), *(article for article, _ in articles))
    named = [node["id"] for node in nodes(document, "Text")]
    assert named[0] == "https://news.example/a%20b?c=%C3%BC#d"
    assert all(name.startswith("ni:///sha-256;") for name in named[1:])
    assert len(set(named)) == len(ids)


def test_evidence_describes() -> None:
    article, annotations = annotated(explain=True)
    document = check(write((article, annotations)), article)
    assert nodes(document, "Annotation")[0]["body"][1] == {
        "type": "TextualBody",
        "purpose": "describing",
        "format": "text/plain",
        "language": "en",
        "value": "says 'The'",
    }


def test_every_article_is_complete_lines() -> None:
    writer = Writer(stubs.LABELS)
    assert writer.independent
    text = writer.article(*annotated())
    assert text.endswith(",\n")
    for line in text.splitlines():
        json.loads(line.removesuffix(","))
    assert text == Writer(stubs.LABELS).article(*annotated())


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=80), st.text(st.characters(), max_size=20))
def test_anything_is_valid(text: str, id: str) -> None:
    article, annotations = annotated(f"{text}\n\nThe council must act, {text}", id)
    document = check(write((article, annotations)))
    exact = [node["target"]["selector"][1]["exact"] for node in nodes(document, "Annotation")]
    assert exact == [a.text for a in annotations if a.label]


def test_processor() -> None:
    """A JSON-LD processor reads every statement, under the names that the Web Annotation context gives."""
    jsonld = pytest.importorskip("pyld", reason="pyld is not installed").jsonld

    def load(url: str, options: object) -> dict[str, Any]:
        assert url == CONTEXT[0]
        return {"contextUrl": None, "documentUrl": url, "document": {"@context": TERMS}}

    article, annotations = annotated(explain=True)
    document = json.loads(write((article, annotations)))
    options = {"documentLoader": load}
    expanded = {node["@id"]: node for node in jsonld.expand(document, options)}
    assert len(expanded) == len(document["@graph"])
    for name, node in expanded.items():
        assert ":" in name
        (kind,) = node["@type"]
        assert kind.startswith("http")
        known = nodes(document, "Annotation")
        if kind == OA + "Annotation":
            (given,) = [each for each in known if each["id"] == name]
            assert node[OA + "motivatedBy"] == [{"@id": OA + "classifying"}]
            assert node[CONFIDENCE] == [{"@type": XSD + "double", "@value": given["confidence"]}]
            (target,) = node[OA + "hasTarget"]
            assert target[OA + "hasSource"] == [{"@id": given["target"]["source"]}]
            position, quotation = target[OA + "hasSelector"]
            start = given["target"]["selector"][0]["start"]
            assert position[OA + "start"] == [{"@type": XSD + "nonNegativeInteger", "@value": start}]
            assert quotation[OA + "exact"][0]["@value"] in PAGE
            bodies = [body[OA + "hasPurpose"][0]["@id"] for body in node[OA + "hasBody"]]
            assert bodies == [OA + "classifying", OA + "describing"]
    close = [node for node in expanded.values() if SKOS + "closeMatch" in node]
    assert {each["@id"] for node in close for each in node[SKOS + "closeMatch"]} == {
        name for names in CLOSE.values() for name in names
    }
    triples = jsonld.to_rdf(document, {**options, "format": "application/n-quads"}).splitlines()
    assert len(triples) > 60 and not any("_:" in line.split()[1] for line in triples)


def test_command_line(tmp_path: Path) -> None:
    path = tmp_path / "ferry.txt"
    path.write_text(PAGE, "utf-8")
    command = [*STUB, "predict", str(path), str(path), "-f", "jsonld"]
    one = subprocess.run(command, capture_output=True, check=True).stdout
    two = subprocess.run([*command, "-j", "2"], capture_output=True, check=True).stdout
    assert one == two
    document = check(one.decode(), Article(str(path), PAGE, []))
    assert len(nodes(document, "Annotation")) == 8
