"""SQL statements as they may be shown: what they do, to which tables, and their text, without values unless asked."""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from rubin.dissect.redaction import REDACTION, Redaction, is_credential

TEXT_CHARACTERS = 512
"""A statement's text is cut here."""
_READ_BYTES = 4096
_REMEMBERED = 512
_TABLES = 8


class Dialect(Enum):
    """How a statement tells literals from names."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MYSQL_NO_BACKSLASH_ESCAPES = "mysql no_backslash_escapes"
    """A session's sql_mode; the server says it with every OK."""


class Statement(NamedTuple):
    """One statement: its verb in capitals, its tables, its text.

    "OTHER": a verb that nobody knows; as it could be a password at the wrong prompt, its text is not shown.
    """

    operation: str
    tables: tuple[str, ...]
    text: str


_VERBS = (
    "SELECT INSERT UPDATE DELETE MERGE REPLACE WITH VALUES TABLE CALL DO EXPLAIN DESCRIBE DESC SHOW USE SET RESET BEGIN"
    " START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE PREPARE EXECUTE DEALLOCATE DECLARE FETCH MOVE CLOSE COPY LOAD"
    " CREATE ALTER DROP TRUNCATE RENAME COMMENT GRANT REVOKE ANALYZE VACUUM CLUSTER REINDEX REFRESH CHECKPOINT DISCARD"
    " LISTEN NOTIFY UNLISTEN LOCK UNLOCK OPTIMIZE REPAIR CHECK CHECKSUM FLUSH KILL HANDLER XA INSTALL UNINSTALL BINLOG"
    " CHANGE PURGE STOP SHUTDOWN SECURITY IMPORT REASSIGN HELP SIGNAL RESIGNAL"
)
VERBS = frozenset(_VERBS.split())
_PREFIX = re.compile(r"(?:\b(?:[bBeExXnN]|[uU]&)|(?<![\w$])_\w{1,30}\s?)\Z")
_NUMBER = r"\d(?<![\w$]\d)[\w.]*(?:(?<=[eE])[+-]\d+)?"  # what begins with it is a number, whatever it goes on with
_TOKENS = {
    Dialect.POSTGRESQL: rf"""--|/\*|'|"|\$(?:[^\W\d]\w*)?\$|\$\d+|{_NUMBER}|;""",
    Dialect.MYSQL: rf"""--(?=\s|\Z)|\#|/\*|\*/|'|"|`|{_NUMBER}|;""",
}
_TOKEN = {dialect: re.compile(pattern) for dialect, pattern in _TOKENS.items()}
_TOKEN[Dialect.MYSQL_NO_BACKSLASH_ESCAPES] = _TOKEN[Dialect.MYSQL]
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_EXECUTABLE = re.compile(r"/\*M?!\d*")
_VERB = re.compile(r"[\s(]*([A-Za-z]{2,12})(?![\w$])")
_MAIN = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|MERGE)\b|([()])", re.IGNORECASE)
_NAME = r'(?:"[^"]*"|`[^`]*`|[^\W\d][\w$]*)'
_TABLE = re.compile(
    r"\b(FROM|JOIN|INTO(?: TABLE)?|(?<!KEY )UPDATE|TABLE|COPY) (?:ONLY |IF (?:NOT )?EXISTS )*"
    rf"({_NAME}(?:\.{_NAME})*)(?![\w$.])(\(?)",
    re.IGNORECASE,
)
_WITH = re.compile(rf"({_NAME})(?: ?\([^()]*\))? AS (?:NOT )?(?:MATERIALIZED )?\(", re.IGNORECASE)
_NO_TABLES = frozenset({"SELECT", "SET", "LATERAL", "UNNEST", "DUAL", "STDIN", "STDOUT", "OUTFILE", "SKIP", "OF"})
_IN = re.compile(r"(\bIN ?\(|\bARRAY ?\[) ?\?(?: ?, ?\?)+ ?([)\]]|\Z)", re.IGNORECASE)
_ROW = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
_ROWS = re.compile(rf"(\bVALUES? ?{_ROW})(?: ?, ?{_ROW})+(?: ?,(?: ?\([^)]*)?\Z)?", re.IGNORECASE)
_PASSWORD = re.compile(
    r"""\b(PASSWORD|IDENTIFIED BY)( =)?( ?\()? ?(?!\?|NULL\b|FOR\b|EXPIRE\b)("[^"]*"?|[^\s();=]+)""", re.IGNORECASE
)


def _end_of_quote(text: str, at: int, quote: str, *, escapes: bool) -> tuple[int, bool]:
    """Where the literal ends that goes on at `at`, and whether that is certain.

    Without `escapes`, a backslash before the quote is an ordinary character, but for sessions with old settings; as
    we cannot know, what follows might as well be the literal's own text.
    """
    while (end := text.find(quote, at)) >= 0:
        backslashes = len(text[at:end]) - len(text[at:end].rstrip("\\"))
        if backslashes and escapes and backslashes % 2:
            at = end + 1
        elif text.startswith(quote, end + 1) and not (backslashes and not escapes):
            at = end + 2
        else:
            return end + 1, escapes or not backslashes
    return len(text), True


def _end_of_comment(text: str, at: int, *, nested: bool) -> int:
    depth = 1
    while edge := _COMMENT_EDGE.search(text, at):
        at = edge.end()
        depth += 1 if edge[0] == "/*" and nested else -1 if edge[0] == "*/" else 0
        if not depth:
            return at
    return len(text)


def _passed(text: str, token: re.Match[str], dialect: Dialect) -> tuple[int, str, bool]:
    """Where what begins with this token ends, what stands for it, and whether the end is certain."""
    kind, postgresql = token[0], dialect is Dialect.POSTGRESQL
    if kind == ";":
        return token.end(), "\0", True
    if kind == "#" or kind.startswith("--"):
        end = text.find("\n", token.end())
        return (len(text) if end < 0 else end), " ", True
    if kind in ("/*", "*/"):
        executable = None if postgresql else _EXECUTABLE.match(text, token.start())
        if kind == "*/" or executable:
            return (executable or token).end(), " ", True
        return _end_of_comment(text, token.end(), nested=postgresql), " ", True
    if kind == "`" or (kind == '"' and postgresql):
        end, _ = _end_of_quote(text, token.end(), kind, escapes=False)
        return end, text[token.start() : end].replace("\0", ""), True
    if kind in "'\"":
        prefix = _PREFIX.search(text, max(0, token.start() - 32), token.start())
        escapes = dialect is Dialect.MYSQL or (prefix is not None and prefix[0] in "eE")
        end, certain = _end_of_quote(text, token.end(), kind, escapes=escapes)
        return end, "?", certain
    if kind[0] == "$" and kind[-1] == "$":
        end = text.find(kind, token.end())
        return (len(text) if end < 0 else end + len(kind)), "?", True
    return token.end(), "?", True


def _read(text: str, dialect: Dialect) -> tuple[str, str]:
    """Without literals, and with them; statements are divided by NUL in both."""
    without, whole, at, find = [], [], 0, _TOKEN[dialect].search
    while token := find(text, at):
        before = text[at : token.start()]
        at, stands, certain = _passed(text, token, dialect)
        prefix = _PREFIX.search(before, max(0, len(before) - 32)) if token[0] in "'\"" and stands == "?" else None
        without += [before[: prefix.start()] if prefix else before, stands]
        whole += [before, text[token.start() : at] if stands == "?" else stands]
        if not certain:
            return "".join(without), "".join(whole)
    return "".join([*without, text[at:]]), "".join([*whole, text[at:]])


def _operation(text: str) -> str:
    verb = _VERB.match(text)
    operation = verb[1].upper() if verb else ""
    if operation not in VERBS:
        return "OTHER"
    if operation == "WITH":
        depth = 0
        for word in _MAIN.finditer(text):
            depth += {"(": 1, ")": -1}.get(word[0], 0)
            if word[1] and depth <= 0:
                return word[1].upper()
    return operation


def _tables(text: str) -> tuple[str, ...]:
    made = {name.upper() for name in _WITH.findall(text)} | _NO_TABLES if text[:5].upper() == "WITH " else _NO_TABLES
    names: dict[str, None] = {}
    for clause, name, call in _TABLE.findall(text):
        if name.upper() not in made and not (call and clause.upper() in ("FROM", "JOIN")):
            names[name.replace('"', "").replace("`", "")] = None
    return tuple(names)[:_TABLES]


@lru_cache(_REMEMBERED)
def _statement(text: str, whole: str) -> Statement:
    """Of a text without literals, which many share; `whole` is what is shown instead, where it may be."""
    text = " ".join(text.split())
    operation = _operation(text)
    if operation == "OTHER":
        return Statement(operation, (), "")
    if whole:
        return Statement(operation, _tables(text), " ".join(whole.split())[:TEXT_CHARACTERS])
    text = _IN.sub(r"\1?\2", text)
    words = text.upper()
    if "VALUE" in words:
        text = _ROWS.sub(r"\1", text)
    if "PASSWORD" in words or "IDENTIFIED" in words:
        text = _PASSWORD.sub(r"\1\2\3 ?", text)
    return Statement(operation, _tables(text), text[:TEXT_CHARACTERS])


@lru_cache(_REMEMBERED)
def _statements(data: bytes, dialect: Dialect, literals: bool) -> tuple[Statement, ...]:
    text = data.decode("utf-8", "replace").replace("\0", " ")
    without, whole = (one.split("\0") for one in _read(text, dialect))
    shown = whole if literals and not is_credential(text) else [""] * len(whole)
    return tuple(_statement(part, one) for part, one in zip(without, shown, strict=True) if part.strip())


def statements(data: bytes, dialect: Dialect, redaction: Redaction = REDACTION) -> tuple[Statement, ...]:
    """The statements of a query's text, without comments and literals, IN lists and rows of VALUES but once.

    Where literals may be seen they are, and all of their lists, unless something in the text says "password" or the
    like. It may be cut: a literal without end goes to the end. Texts behind the first 4 KB are not looked at.
    """
    return _statements(data[:_READ_BYTES], dialect, not redaction.sql_literals)


def looks_like_sql(data: bytes) -> bool:
    """Whether a text begins with a verb of SQL, behind comments."""
    text = data[:512].decode("latin-1").lstrip("\t\r\n (;")
    while text.startswith("/*") and not text.startswith("/*!"):
        text = text[_end_of_comment(text, 2, nested=False) :].lstrip()
    verb = _VERB.match(text.removeprefix("/*!").lstrip("0123456789"))
    return bool(verb) and verb is not None and verb[1].upper() in VERBS
