use proptest::prelude::*;

use super::*;

fn kinds(text: &str) -> String {
    scan(text.as_bytes(), &mut Vec::new()).0.with_names(|names| names.join(" "))
}

#[test]
fn statements_have_the_kind_of_their_verb() {
    for (text, expected) in [
        ("COMMIT", "commit"),
        ("  -- done\n commit work;", "commit"),
        ("/* a /* nested */ comment */ End", "commit"),
        ("start transaction isolation level serializable", "begin"),
        ("ABORT", "rollback"),
        ("(SELECT 1) UNION (SELECT 2)", "select"),
        ("with moved as (delete from a returning *) insert into b select * from moved", "insert"),
        ("with x as (select 1) select * from x", "select"),
        ("create table commit (id int)", "ddl"),
        ("copy t from stdin", "copy"),
        ("set search_path to a", "other"),
        ("", "other"),
        (";;", "other"),
        ("update t set a = 'x; commit'", "update"),
        ("update t set a = E'\\'; commit --'", "update"),
        ("update t set a = name'\\' ; commit", "commit update"),
        ("update t set a = 1 where b = e'\\' ; commit'", "update"),
        ("do $x$ begin; commit; end $x$", "other"),
        ("select $1; commit", "commit select"),
        ("select a$b$; commit", "commit select"),
        ("select a$$$; commit; select $$", "commit select"),
        (
            "create function f() returns int begin atomic select 1; select case when true then 2 end; end; select 3",
            "select ddl",
        ),
        ("create table t (begin int, atomic int); commit", "commit ddl"),
        ("select a from $b$; commit; $b$", "select"),
        ("begin; insert into t values (1); commit", "begin commit insert"),
        ("insert into \"a;b\" values (1)", "insert"),
        ("SAVEPOINT a", "other"),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn what_ends_no_transaction_of_the_session_is_other() {
    for text in ["rollback to a", "rollback to savepoint a", "ROLLBACK WORK TO a", "commit prepared 'x'"] {
        assert_eq!(kinds(text), "other", "{text}");
    }
    assert_eq!(kinds("rollback and chain"), "rollback");
    assert_eq!(kinds("commit and no chain"), "commit");
}

#[test]
fn white_space_outside_of_quotes_is_one_space() {
    for (text, expected) in [
        ("  select \n\t 'a  b' ,\r\n\"c  d\"  ", "select 'a  b' , \"c  d\""),
        ("select a, b from  c", "select a, b from c"),
        ("select a , b from c where \td", "select a , b from c where d"),
        ("select a from b ", "select a from b"),
        (" a", "a"),
        ("  ", ""),
    ] {
        let mut scratch = Vec::new();
        assert_eq!(String::from_utf8_lossy(scan(text.as_bytes(), &mut scratch).1), expected, "{text}");
    }
}

#[test]
fn a_text_without_its_end_is_scanned_to_its_end() {
    for text in ["select 'a", "select \"a", "/* a", "$x$ a", "select E'a\\", "--", "$", "$$", "$a"] {
        assert!(!kinds(text).is_empty(), "{text}");
    }
}

/// The kinds of a text that arrives in pieces of this length, and those that were known after its first one.
fn long_kinds(text: &str, length: usize) -> (Kinds, Kinds) {
    let mut scanner = LongScanner::default();
    let mut known = None;
    for piece in text.as_bytes().chunks(length) {
        scanner.read(piece);
        known.get_or_insert_with(|| scanner.known());
    }
    (scanner.finish(), known.unwrap_or_default())
}

#[test]
fn pieces_do_not_cut_a_name_with_dollar_signs() {
    let text = "select a$$$; commit";
    for length in [1, 5, 10, 11, text.len()] {
        assert_eq!(
            long_kinds(text, length).0.with_names(|names| names.join(" ")),
            "commit select",
            "{length}"
        );
    }
}

#[test]
fn a_kind_is_known_once_no_word_can_change_it() {
    for (text, expected) in [
        ("/* comment", ""),
        ("commit", ""),
        ("commit ", ""),
        ("insert into t values ('a", "insert"),
        ("begin; insert into", "begin insert"),
        ("create function f", "ddl"),
        ("with a as (select 1", ""),
        ("rollback work and", ""),
        ("rollback work and ", "rollback"),
    ] {
        let (_, known) = long_kinds(text, text.len());
        assert_eq!(known.with_names(|names| names.join(" ")), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn a_text_in_pieces_has_the_kinds_of_the_whole(
        text in "(commit|insert|begin|atomic|case|end|create|rollback|to|with|prepared|;|-|/|\\*|/\\*|\\*/|'|E'|\"|\\\\|\\$|\\$x\\$|\\(|\\)|[ \\n]|é|[a-z0-9]{1,20}){0,30}",
        length in 1..40_usize,
    ) {
        let (kinds, known) = long_kinds(&text, length);
        prop_assert_eq!(kinds, scan(text.as_bytes(), &mut Vec::new()).0);
        prop_assert_eq!(known.without(kinds), None);
    }

    #[test]
    fn words_are_separated_by_one_space(text in "(select|insert|,| |\\n|\\(|a|[a-z]{1,30}){0,20}") {
        let expected = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut scratch = Vec::new();
        prop_assert_eq!(String::from_utf8_lossy(scan(text.as_bytes(), &mut scratch).1), expected);
    }

    #[test]
    fn a_normalized_text_is_normalized(text in "(commit|;|-a|/\\*|\\*/|'|\"|\\$x?\\$|[ \\n]{1,3}|[a-z]{1,20}){0,20}") {
        let mut scratch = Vec::new();
        let (kinds, key) = scan(text.as_bytes(), &mut scratch);
        let mut scratch = Vec::new();
        prop_assert_eq!(scan(key, &mut scratch), (kinds, key));
    }
}
