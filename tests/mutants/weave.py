"""Weaves many mutants into one tree, so that one build serves them all.

A function with mutants becomes a choice between its body and a changed copy of it for each
mutant; which of them runs is said by the environment when the tests start. The tests can also say
which functions they reach. (A mutant schema:
Untch, Offutt, Harrold, "Mutation analysis using mutant schemata", ISSTA 1993.)
"""

import re
from dataclasses import dataclass

MUTANT = "FEDLINK_MUTANT"
REACHED = "FEDLINK_REACHED"

# Tests run on threads that have their names.
CHOICE = f"""
pub(crate) fn active_mutant(function: u32) -> u32 {{
    use std::prelude::rust_2024::*;
    use std::{{cell::RefCell, collections::HashSet, env, fs::File, io::Write, sync::LazyLock}};
    static ACTIVE: LazyLock<u32> = LazyLock::new(|| {{
        env::var("{MUTANT}").map_or(0, |number| number.parse().unwrap_or(0))
    }});
    static REACHED: LazyLock<Option<File>> = LazyLock::new(|| {{
        let path = env::var_os("{REACHED}")?;
        Some(File::options().append(true).create(true).open(path).unwrap())
    }});
    std::thread_local!(static SEEN: RefCell<HashSet<u32>> = RefCell::default());
    if let Some(mut log) = REACHED.as_ref()
        && SEEN.with_borrow_mut(|seen| seen.insert(function))
    {{
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        log.write_all(std::format!("{{test}}\\t{{function}}\\n").as_bytes()).unwrap();
    }}
    *ACTIVE
}}
"""

# What hides braces, or is one.
TOKEN = re.compile(
    r"""
    //[^\n]* | /\*.*?\*/
    | b?r(\#*)".*?"\1 | b?"(?:\\.|[^"\\])*" | b?'(?:\\.[^']*|[^'\\])'
    | [{}()\[\]]""",
    re.X | re.S,
)


@dataclass
class Mutant:
    """One change that cargo-mutants proposes: `text` in place of `start..end`."""

    number: int
    name: str
    file: str
    start: int
    end: int
    text: str
    function: tuple[int, int] | None
    returns: str
    # The first mutant of the woven function that this one is a part of.
    choice: int | None = None

    @property
    def can_be_woven(self):
        # Each branch of a choice would be another `impl Trait`.
        return self.function is not None and "impl " not in self.returns

    def apply(self, source):
        return source[: self.start] + self.text + source[self.end :]


@dataclass
class Region:
    """Lines of a woven file, and the mutants to blame if they do not compile: the one whose
    copy they are, or all of the function."""

    file: str
    lines: range
    mutants: list[Mutant]
    is_copy: bool


def read(listed, sources):
    """The mutants of `cargo mutants --list --json`, numbered from 1."""
    mutants = []
    for number, it in enumerate(listed, 1):
        starts = line_starts(sources[it["file"]])
        span, function = it["span"], it["function"]
        mutants.append(
            Mutant(
                number=number,
                name=it["name"],
                file=it["file"],
                start=offset(starts, span["start"]),
                end=offset(starts, span["end"]),
                text=it["replacement"],
                function=function
                and tuple(offset(starts, function["span"][end]) for end in ("start", "end")),
                returns=function["return_type"] if function else "",
            )
        )
    return mutants


def weave(file, source, mutants):
    """The source with all its mutants, and which lines belong to which of them."""
    woven, regions, done = "", [], 0
    for (start, end), inside in outermost(mutants):
        opening, choice = body(source, start), inside[0].number
        woven += source[done : opening + 1] + f"match crate::active_mutant({choice}) {{"
        first = woven.count("\n") + 1
        for mutant in inside:
            mutant.choice = choice
            woven += f"\n{mutant.number} => {{"
            line = woven.count("\n") + 1
            grown = len(mutant.text) - (mutant.end - mutant.start)
            woven += mutant.apply(source)[opening + 1 : end - 1 + grown] + "\n}"
            regions.append(Region(file, range(line, woven.count("\n") + 2), [mutant], True))
        woven += "\n_ => {" + source[opening + 1 : end - 1] + "\n}\n}"
        regions.append(Region(file, range(first, woven.count("\n") + 2), inside, False))
        done = end - 1
    return woven + source[done:], regions


def outermost(mutants):
    """The mutants by function, those of a function within another under the outer one."""
    functions = {}
    for mutant in sorted(mutants, key=lambda it: (it.function[0], -it.function[1], it.number)):
        inner = mutant.function
        key = next((it for it in functions if it[0] <= inner[0] and inner[1] <= it[1]), inner)
        functions.setdefault(key, []).append(mutant)
    return sorted(functions.items())


def body(source, start):
    """Where the body of the function at `start` opens."""
    depth = 0
    for token in TOKEN.finditer(source, start):
        if token[0] in "([":
            depth += 1
        elif token[0] in ")]":
            depth -= 1
        elif token[0] == "{" and depth == 0:
            return token.start()
    raise ValueError(f"no body behind {source[start : start + 80]!r}")


def offset(starts, place):
    return starts[place["line"] - 1] + place["column"] - 1


def line_starts(source):
    return [0] + [it.end() for it in re.finditer("\n", source)]
