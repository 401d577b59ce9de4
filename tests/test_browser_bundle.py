"""The browser's modules: what they import exists, they can share one scope, and joined they are one whole."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rnnviz import browser
from rnnviz.live.wire import pack

HERE = Path(browser.__file__).parent
MODULES = {path.name: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.js"))}
IMPORTS = re.compile(r"^import\b[^;]*;\n", re.MULTILINE)
NAMED = re.compile(r'import \{([^}]*)\} from "\./([\w.-]+)";')
WHOLE = re.compile(r'import \* as (\w+) from "\./([\w.-]+)";')
DECLARED = re.compile(r"^(?:export )?(?:default )?(?:async )?(?:function\*?|class|const|let|var) +(\w+)", re.MULTILINE)
EXPORTED = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) +(\w+)", re.MULTILINE)
NODE = shutil.which("node")


def _imports(source: str) -> list[tuple[str, list[str], str]]:
    """What a module takes from which file: its names, and the name of the whole."""
    found = []
    for line in IMPORTS.findall(source):
        if named := NAMED.fullmatch(line.strip()):
            found.append((named[2], [name.strip() for name in named[1].split(",") if name.strip()], ""))
        elif whole := WHOLE.fullmatch(line.strip()):
            found.append((whole[2], [], whole[1]))
        else:
            pytest.fail(f"not a kind of import that can be joined: {line}")
    return found


def _needed(entry: str) -> set[str]:
    """A module and all that it imports, which share a scope once they are joined."""
    needed, waiting = set(), [entry]
    while waiting:
        file = waiting.pop()
        needed.add(file)
        waiting += [other for other, _, _ in _imports(MODULES[file]) if other not in needed]
    return needed


ENTRIES = sorted(set(MODULES) - {other for source in MODULES.values() for other, _, _ in _imports(source)})


@pytest.mark.parametrize("file", MODULES)
def test_what_is_imported_exists_and_is_used(file: str) -> None:
    source = MODULES[file]
    rest = IMPORTS.sub("", source)
    for other, names, whole in _imports(source):
        assert other in MODULES
        exported = EXPORTED.findall(MODULES[other])
        if whole:
            names_used = set(re.findall(rf"(?<![.\w]){whole}\.(\w+)", rest))
            assert names_used
            assert names_used <= set(exported)
        for name in names:
            assert name in exported, f"{file} imports {name}, which {other} does not export"
            assert re.search(rf"\b{name}\b", rest), f"{file} imports {name} and does not use it"


@pytest.mark.parametrize("entry", ENTRIES)
def test_names_at_the_top_differ_so_that_modules_can_share_a_scope(entry: str) -> None:
    owners: dict[str, str] = {}
    for file in sorted(_needed(entry)):
        source = MODULES[file]
        for name in DECLARED.findall(source):
            assert name not in owners, f"{name} is at the top of {file} and of {owners[name]}"
            owners[name] = file
        for other, _, whole in _imports(source):
            if whole:
                assert owners.setdefault(whole, f"* {other}") == f"* {other}", f"{whole} in {file} is something else"
        assert not re.search(r"^(?:const|let|var) *[{\[]|^export *[{*]", source, re.MULTILINE), file
    assert entry != "live.js" or {"el", "Wire", "unpack", "Studio", "panels"} <= set(owners)


def test_every_module_is_needed() -> None:
    assert "live.js" in ENTRIES
    told = "".join(path.read_text(encoding="utf-8") for path in HERE.parent.rglob("*.py"))
    for entry in ENTRIES:
        assert f'bundle("{entry}")' in told, f"{entry} is imported by no module and joined by nobody"


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_bundle_holds_each_module_once_those_it_needs_before_it(entry: str) -> None:
    bundle = browser.bundle(entry)
    at = {}
    modules = {file: MODULES[file] for file in _needed(entry)}
    for file, source in modules.items():
        body = IMPORTS.sub("", source).strip()
        if file != entry:
            body = re.sub(r"^export ", "", body, flags=re.MULTILINE)
        assert bundle.count(body) == 1, file
        at[file] = bundle.index(body)
    for file, source in modules.items():
        for other, _, whole in _imports(source):
            assert at[other] < at[file]
            if whole:
                made = re.findall(rf"^const {whole} = \{{ ([\w, ]+) \}};$", bundle, re.MULTILINE)
                assert [one.split(", ") for one in made] == [EXPORTED.findall(MODULES[other])]
                assert at[other] < bundle.index(f"const {whole} = ") < at[file]
    assert not re.search(r"^\s*import\b", bundle, re.MULTILINE)
    kept = re.findall(r"^export\b.*$", bundle, re.MULTILINE)
    assert kept == re.findall(r"^export\b.*$", MODULES[entry], re.MULTILINE)
    if entry == "live.js":
        assert len(kept) == 1
        assert kept[0].startswith("export default ")


def test_a_module_needed_twice_is_joined_once_and_keeps_its_own_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.js").write_text("export const one = 1;\nconst hidden = 2;\n")
    (tmp_path / "b.js").write_text('import { one } from "./a.js";\nexport async function two() { return one; }\n')
    (tmp_path / "c.js").write_text(
        'import {\n  one,\n} from "./a.js";\nimport * as b from "./b.js";\nexport class C {}\nexport default b.two;\n'
    )
    monkeypatch.setattr(browser, "_HERE", tmp_path)
    lines = [line for line in browser.bundle.__wrapped__("c.js").splitlines() if line]
    assert lines == [
        *("const one = 1;", "const hidden = 2;", "async function two() { return one; }"),
        *("const b = { two };", "export class C {}", "export default b.two;"),
    ]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_node_can_read_the_bundle_and_every_module(tmp_path: Path) -> None:
    bundles = {f"all-of-{entry}": browser.bundle(entry) for entry in ENTRIES}
    for file, source in {**MODULES, **bundles}.items():
        path = tmp_path / file.replace(".js", ".mjs")
        path.write_text(source, encoding="utf-8")
        done = subprocess.run([NODE, "--check", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_browser_takes_answers_apart_as_python_packs_them(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(5, dtype=np.uint8),
        "b": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
        "c": np.array([70000], dtype=np.uint32),
        "d": np.zeros((0, 4), dtype=np.uint16),
    }
    (tmp_path / "answer").write_bytes(pack({"seq": 3, "text": "\ud800\u00e9\U0001f600"}, arrays))
    (tmp_path / "wire.mjs").write_text(MODULES["wire.js"], encoding="utf-8")
    (tmp_path / "read.mjs").write_text(
        'import { readFileSync } from "node:fs";\nimport { unpack } from "./wire.mjs";\n'
        'const bytes = readFileSync("answer");\n'
        "const { header, arrays } = unpack(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));\n"
        "const listed = Object.entries(arrays).map(([name, array]) => [name, Array.from(array)]);\n"
        "console.log(JSON.stringify([header.seq, header.text.length, listed]));\n"
    )
    done = subprocess.run([NODE, "read.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ('[3,4,[["a",[0,1,2,3,4]],["b",[0,0.25,0.5,0.75,1,1.25]],["c",[70000]],["d",[]]]]'), (
        done.stderr
    )
