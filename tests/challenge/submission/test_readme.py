"""readme.txt: what is written is what the server reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from challenge.errors import ConfigError
from challenge.rules import Rules
from challenge.runs import RunRecord
from challenge.submission import (
    Readme,
    server_values,
    write_readme,
)
from challenge.submission.candidate import readme_of
from challenge.submission.check import README_LIMIT
from challenge.submission.readme import check_readme, is_cpu, readme_differences

Parse = Callable[[str], tuple[float, int, int, str]]
TEMPLATE = Rules().readme
README = Readme(runtime=0.3125, cpu=1, extra_data=0, description="a method")


@pytest.mark.parametrize(
    "description",
    [
        "plain",
        "",
        "with: colons: http://x",
        "two\nlines: 3",
        "a\r\nb\rc\x85d\u2028e\x0bf",
        "{runtime} %s",
        "né 日本",
        "bell\x07",
    ],
)
def test_any_description_leaves_the_servers_parse_right(
    server_parse: Parse, description: str
) -> None:
    readme = Readme(10.43, 0, 1, description)
    text = write_readme(TEMPLATE, readme)
    one_line = " ".join(description.split()).replace("\x07", "") or "none"
    assert server_parse(text) == (10.43, 0, 1, one_line)
    assert server_values(text) == ["10.43", "0", "1", one_line]
    assert check_readme(text, TEMPLATE) == []
    assert readme_differences(text, TEMPLATE, readme) == []


def test_the_four_lines_are_those_of_the_published_template() -> None:
    assert write_readme(TEMPLATE, Readme(10.43, 0, 0, "free text")) == (
        "runtime per image [s] : 10.43\nCPU[1] / GPU[0] : 0\n"
        "Extra Data [1] / No Extra Data [0] : 0\nOther description : free text\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("0.31", "0.3s", "line 1"),
        ("0.31", "nan", "line 1"),
        ("GPU[0] : 1", "GPU[0] : GPU", "line 2"),
        ("GPU[0] : 1", "GPU[0] : 2", "line 2"),
        ("Data [0] : 0", "Data [0] : no", "line 3"),
        ("Other description : a method\n", "a method\n", "line 4"),
    ],
)
def test_what_the_server_would_read_as_minus_one(old: str, new: str, place: str) -> None:
    good = write_readme(TEMPLATE, README)
    assert old in good
    (finding,) = check_readme(good.replace(old, new), TEMPLATE)
    assert place in finding.expected


def test_newer_templates_ask_for_language_models() -> None:
    lines = TEMPLATE.splitlines(keepends=True)
    template = "".join([*lines[:3], "LLM [1] / No LLM [0] : {llm}\n", *lines[3:]])
    readme = Readme(10.43, 0, 1, "text", llm=1)
    text = write_readme(template, readme)
    assert server_values(text) == ["10.43", "0", "1", "1", "text"]
    assert check_readme(text, template) == [] == readme_differences(text, template, readme)
    assert readme_differences(text, template, Readme(10.43, 0, 1, "text")) == ["llm"]
    (finding,) = check_readme(text.replace("LLM [0] : 1", "LLM [0] : GPT"), template)
    assert "1 (a language model helped) or 0 (none) in line 4" in finding.expected


def test_a_line_too_many_shifts_the_values(
    server_parse: Parse,
) -> None:
    text = "Team: ours\n" + write_readme(TEMPLATE, README)
    assert server_parse(text)[0] == -1
    assert check_readme(text, TEMPLATE)[0].found == "'ours'"


def test_readme_differences_can_be_found() -> None:
    text = write_readme(TEMPLATE, README)
    other = Readme(0.4, 0, 1, "another")
    names = ["runtime", "cpu", "extra_data", "description"]
    assert readme_differences(text, TEMPLATE, other) == names


def test_another_challenges_template_is_followed() -> None:
    template = (
        "runtime per image [s] : {runtime:.4f}\nExtra Data : {extra_data}\nCPU : {cpu}\n"
        "LLM [1] / No LLM [0] : 0\nOther : {description}\n"
    )
    readme = Readme(0.0312, 1, 0, "x")
    text = write_readme(template, readme)
    assert server_values(text) == ["0.0312", "0", "1", "0", "x"]
    assert readme_differences(text, template, readme) == []


@pytest.mark.parametrize("template", ["runtime : {runtme}\n", "no value\n", "a : {runtime:.2q}\n"])
def test_a_template_that_cannot_be_filled(template: str) -> None:
    with pytest.raises(ConfigError, match="readme template"):
        write_readme(template, README)


@pytest.mark.parametrize(
    "device",
    ["cpu", "CPU", "Intel CPU", "cpu:0", "my_cpu", "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"]
    + ["AMD EPYC 7763", "AMD Ryzen 7 5800U with Radeon Graphics", "12th Gen Intel(R) Core(TM) i7"]
    + ["Intel Core i5-9400", "2x Xeon"],
)
def test_a_cpu_is_known_by_its_name(device: str) -> None:
    assert is_cpu(device)


@pytest.mark.parametrize(
    "device",
    ["NVIDIA H100 80GB HBM3", "GPU", "cuda:0", "RTX3090", "NVIDIA A100 Tensor Core GPU", "", "mps"]
    + ["GPU of a machine with an Intel CPU", "Tesla V100-SXM2", "recpurpose", "GeForce + Ryzen"],
)
def test_what_is_no_cpu_counts_as_a_gpu(device: str) -> None:
    assert not is_cpu(device)


@pytest.mark.parametrize("device, cpu", [("Intel CPU", 1), ("NVIDIA A100", 0)])
def test_the_device_of_a_record_reaches_readme(device: str, cpu: int) -> None:
    readme, findings = readme_of(RunRecord("x", runtime_per_image_s=1, device=device), TEMPLATE)
    assert (readme.cpu, findings) == (cpu, [])


def test_a_description_that_makes_readme_too_long_is_found_to_the_byte() -> None:
    record = RunRecord("x", runtime_per_image_s=1, device="cpu", description="ä")
    fixed = len(write_readme(TEMPLATE, readme_of(record, TEMPLATE)[0]).encode()) - 2
    for count, found in ((README_LIMIT - fixed, 0), (README_LIMIT - fixed + 1, 1)):
        text = "d" * (count // 2) + " \n\t" + "d" * (count - count // 2 - 1)  # becomes one space
        readme, findings = readme_of(dataclasses.replace(record, description=text), TEMPLATE)
        assert len(write_readme(TEMPLATE, readme).encode()) == README_LIMIT + found
        assert len(findings) == found
    assert f"at most {README_LIMIT - fixed} bytes, found {README_LIMIT - fixed + 1}" in str(
        findings[0]
    )


def test_control_characters_and_halves_of_letters_never_reach_readme() -> None:
    text = "a\0b\x1b[31mc\u2028d\ud800e\r\nRuntime : 7\x7f\u202ef"
    written = write_readme(TEMPLATE, Readme(1.0, 1, 0, text))
    assert server_values(written)[3] == "ab[31mc de Runtime : 7f" and len(written.splitlines()) == 4
