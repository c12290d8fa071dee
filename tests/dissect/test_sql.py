import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubin.dissect.protocols.sql import TEXT_CHARACTERS, Dialect, looks_like_sql, statements
from rubin.dissect.redaction import Redaction

PG, MY, MY_PLAIN = Dialect.POSTGRESQL, Dialect.MYSQL, Dialect.MYSQL_NO_BACKSLASH_ESCAPES


@pytest.mark.parametrize(
    ("dialect", "said", "shown"),
    [
        (PG, "SELECT * FROM users WHERE id = 5", "SELECT * FROM users WHERE id = ?"),
        (PG, "select  *\n from t2 -- why\n where a1=$1", "select * from t2 where a1=?"),
        (PG, "SELECT 'o''brien', E'it\\'s', U&'d', $x$ $y$ $x$, 1.5e-3, .5, 0xff", "SELECT ?, ?, ?, ?, ?, .?, ?"),
        (PG, "SELECT 1 /* a /* nested */ b */ + 2", "SELECT ? + ?"),
        (PG, "SELECT a FROM t WHERE b IN (1, 2,3) OR c in ($1,$2)", "SELECT a FROM t WHERE b IN (?) OR c in (?)"),
        (PG, "INSERT INTO t (a, b) VALUES (1, now()), (2, now()), (3", "INSERT INTO t (a, b) VALUES (?, now())"),
        (PG, 'SELECT "Name" FROM "T"', 'SELECT "Name" FROM "T"'),
        (PG, "ALTER USER joe PASSWORD 'p'", "ALTER USER joe PASSWORD ?"),
        (PG, 'ALTER USER joe WITH PASSWORD "p"', "ALTER USER joe WITH PASSWORD ?"),
        (MY, "SELECT \"p\", `n`, 0x1F, x'00', _utf8mb4'p' # p", "SELECT ?, `n`, ?, ?, ?"),
        (MY, "SELECT 'it\\'s p' FROM t", "SELECT ? FROM t"),
        (MY, "CREATE USER 'a'@'b' IDENTIFIED BY 'p'", "CREATE USER ?@? IDENTIFIED BY ?"),
        (MY, "SET PASSWORD = 'p'", "SET PASSWORD = ?"),
        (MY, "/*!40101 SET NAMES utf8 */", "SET NAMES utf8"),
        (MY, "SELECT 5--1", "SELECT ?--?"),
    ],
)
def test_literals_and_comments_go_and_names_stay(dialect, said, shown):
    assert [one.text for one in statements(said.encode(), dialect)] == [shown]


@pytest.mark.parametrize(
    ("said", "operation", "tables"),
    [
        ("SELECT a FROM x JOIN y.z ON true, w", "SELECT", ("x", "y.z")),
        ("with c as (select 1 from d) insert into e select * from c", "INSERT", ("d", "e")),
        ("(SELECT 1)", "SELECT", ()),
        ("update only t set a = 1", "UPDATE", ("t",)),
        ("DELETE FROM t", "DELETE", ("t",)),
        ("INSERT INTO t(a) VALUES (1) ON CONFLICT DO UPDATE SET a = 2", "INSERT", ("t",)),
        ("SELECT extract(epoch from now()) FROM generate_series(1, 2)", "SELECT", ()),
        ("CREATE TABLE IF NOT EXISTS t (a int)", "CREATE", ("t",)),
        ("COPY t FROM STDIN", "COPY", ("t",)),
        ("START TRANSACTION", "START", ()),
        ("hunter2", "OTHER", ()),
    ],
)
def test_verb_and_tables(said, operation, tables):
    (one,) = statements(said.encode(), PG)
    assert (one.operation, one.tables) == (operation, tables)


def test_what_is_no_statement_may_be_a_password():
    assert "hunter" not in repr(statements(b"hunter2", PG) + statements(b"hunter two", MY))


def test_several_statements_are_told_apart():
    found = statements(b"BEGIN; UPDATE t SET a = ';'; COMMIT;", PG)
    assert [one.text for one in found] == ["BEGIN", "UPDATE t SET a = ?", "COMMIT"]


@pytest.mark.parametrize(
    ("dialects", "said"),
    [
        ((PG, MY, MY_PLAIN), "SELECT 'SECRET"),
        ((PG, MY_PLAIN), "SELECT '\\' , 'SECRET'"),
        ((PG, MY, MY_PLAIN), "SELECT 'a\\' SECRET'"),
        ((PG, MY, MY_PLAIN), "SELECT 'a''SECRET' , 'b\\\\' , 'SECRET'"),
        ((PG, MY, MY_PLAIN), "SELECT 1 /* SECRET"),
        ((PG,), "SELECT 1 /* /* SECRET */ 'SECRET' SECRET */"),
        ((PG, MY, MY_PLAIN), "SELECT 1 -- SECRET\n"),
        ((MY, MY_PLAIN), "SELECT 1 # SECRET\n"),
        ((MY,), "SELECT 1--'\nSECRET'"),
        ((PG,), "SELECT E'\\'SECRET'"),
    ],
)
def test_a_secret_does_not_get_out(dialects, said):
    for dialect in dialects:
        assert "SECRET" not in repr(statements(said.encode(), dialect))


def test_an_old_setting_of_postgresql_could_make_a_literal_longer_so_all_behind_it_goes():
    assert statements(b"SELECT 'a\\' SECRET ' FROM t", PG)[0].text == "SELECT ?"


def test_texts_are_cut():
    (one,) = statements(b"SELECT " + b"a, " * 5000 + b"b", PG)
    assert len(one.text) == TEXT_CHARACTERS


@pytest.mark.parametrize(
    ("said", "is_sql"),
    [
        (b"SELECT 1", True),
        (b"/* c */ (select 1)", True),
        (b"/*!40101 SET a=1 */", True),
        (b"GET / HTTP/1.1", False),
        (b"selects", False),
        (b"\x16\x03\x01", False),
        (b"", False),
    ],
)
def test_what_looks_like_sql(said, is_sql):
    assert looks_like_sql(said) == is_sql


@given(st.binary(max_size=300), st.sampled_from(Dialect))
def test_any_bytes(said, dialect):
    for one in statements(said, dialect):
        assert len(one.text) <= TEXT_CHARACTERS
    looks_like_sql(said)


_secret = st.text(st.sampled_from("SECRET ',;-"), max_size=12).map(lambda text: text.replace("'", "''"))


@given(st.lists(_secret, min_size=1, max_size=5), st.sampled_from(Dialect), st.integers(0, 120))
def test_wherever_it_is_cut_no_literal_gets_out(secrets, dialect, cut):
    said = "INSERT INTO t VALUES (" + ", ".join(f"'zq{secret}qz'" for secret in secrets) + ")"
    shown = repr(statements(said[:cut].encode(), dialect))
    assert "zq" not in shown
    assert "SECRET" not in shown


ASKED_FOR = Redaction(sql_literals=False)


@pytest.mark.parametrize(
    ("dialect", "said", "shown"),
    [
        (
            PG,
            "SELECT * FROM a -- why\n WHERE b = 'it''s' AND c = 1.5e-3",
            ["SELECT * FROM a WHERE b = 'it''s' AND c = 1.5e-3"],
        ),
        (PG, "INSERT INTO t VALUES (1, E'\\'x'), (2, $$;$$)", ["INSERT INTO t VALUES (1, E'\\'x'), (2, $$;$$)"]),
        (PG, "BEGIN; DELETE FROM t WHERE a IN (1, 2)", ["BEGIN", "DELETE FROM t WHERE a IN (1, 2)"]),
        (MY, "SELECT \"a;b\", x'00' # c", ["SELECT \"a;b\", x'00'"]),
        (PG, "SELECT 'not whole", ["SELECT 'not whole"]),
        (PG, "hunter2 'x'", [""]),
    ],
)
def test_literals_are_shown_where_that_is_asked_for(dialect, said, shown):
    assert [one.text for one in statements(said.encode(), dialect, ASKED_FOR)] == shown
    assert [one.tables for one in statements(said.encode(), dialect, ASKED_FOR)] == [
        one.tables for one in statements(said.encode(), dialect)
    ]


@pytest.mark.parametrize(
    "said",
    [
        "ALTER USER joe PASSWORD 'SECRET'",
        "CREATE USER 'a'@'b' IDENTIFIED BY 'SECRET'",
        "UPDATE users SET passwd = 'SECRET' WHERE id = 1",
        "SELECT * FROM t WHERE api_key = 'SECRET'",
        "PREPARE p AS UPDATE users SET password = $1; EXECUTE p('SECRET')",
        "SELECT dblink('host=db password=SECRET', 'SELECT 1')",
        "SELECT dblink('postgres://joe:SECRET@db/x', 'SELECT 1')",
        "SELECT pgp_sym_encrypt('SECRET', 'SECRET')",
        "CHANGE MASTER TO MASTER_PASSWORD='SECRET'",
    ],
)
def test_a_credential_is_not_shown_whatever_is_asked_for(said):
    for dialect in Dialect:
        assert "SECRET" not in repr(statements(said.encode(), dialect, ASKED_FOR))


@given(st.text(st.sampled_from("SELECT abt19.\"'`\\;-/*#$?(),\0 ")), st.sampled_from(Dialect))
def test_what_is_shown_beside_literals_is_the_same(said, dialect):
    asked, default = (statements(said.encode(), dialect, one) for one in (ASKED_FOR, Redaction()))
    assert [one[:2] for one in asked] == [one[:2] for one in default]
