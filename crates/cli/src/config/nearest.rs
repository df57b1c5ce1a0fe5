//! Suggestions for misspelled words.

/// Two words are similar if their edit distance is at most the length of the longer word divided by this
/// number.
const MAX_EDITS_PART: usize = 3;
/// Minimum number of letters of an abbreviation.
const MIN_ABBREVIATION: usize = 3;

/// Returns the end of a message: `; did you mean …?`. Empty without a word.
pub fn did_you_mean(word: Option<&str>) -> String {
    word.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

/// Returns the most similar word: one that differs in at most a third of its letters, or that begins with the written
/// text. Ignores letter case.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let distance = |word: &'a str| {
        let lower = word.to_ascii_lowercase();
        let edits = strsim::osa_distance(&written, &lower);
        let is_abbreviation = written.len() >= MIN_ABBREVIATION && lower.starts_with(&written);
        let length = written.chars().count().max(lower.chars().count());
        (is_abbreviation || edits <= length / MAX_EDITS_PART).then_some((edits, word))
    };
    words.into_iter().filter_map(distance).min_by_key(|(edits, _)| *edits).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_words_are_suggested() {
        for (written, words, expected) in [
            ("usr", &["user", "url"][..], Some("user")),
            ("MEEN", &["mean", "min"], Some("mean")),
            ("jiter", &["jitter", "latency"], Some("jitter")),
            ("freq", &["frequency", "type"], Some("frequency")),
            ("log_level", &["log-level", "log-file"], Some("log-level")),
            ("databas", &["database", "data"], Some("database")),
            ("with_otel", &["with_timeout", "with_reset"], None),
            ("upstreams", &["on_upstream_failure", "proxy"], None),
            ("control-token", &["control"], None),
            ("up", &["upstream"], None),
            ("", &["a", "ab"], None),
        ] {
            assert_eq!(nearest(written, words.iter().copied()), expected, "{written}");
        }
    }
}
