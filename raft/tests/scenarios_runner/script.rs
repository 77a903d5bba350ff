//! The text of a scenario: paragraphs, each of them prose or a stanza.

/// What stands between the commands of a stanza and what they show.
const SEPARATOR: &str = "----";

/// A scenario file.
pub(super) struct Script {
    pub(super) name: String,
    pub(super) paragraphs: Vec<Paragraph>,
}

/// Between two blank lines.
pub(super) enum Paragraph {
    /// Comments alone.
    Prose(Vec<String>),
    Stanza(Stanza),
}

/// Commands, and what they show.
pub(super) struct Stanza {
    /// The number of its first line.
    pub(super) line: usize,
    /// Comments and commands as they stand.
    head: Vec<String>,
    pub(super) expected: Vec<String>,
}

impl Stanza {
    /// Each command with the number of its line.
    pub(super) fn commands(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = (self.line..).zip(&self.head);
        numbered.filter(|(_, line)| !is_comment(line)).map(|(number, line)| (number, line.as_str()))
    }

    pub(super) fn last_command(&self) -> &str {
        self.head.last().map_or("", String::as_str)
    }
}

fn is_comment(line: &str) -> bool {
    line.starts_with('#')
}

impl Script {
    /// Reads a file's text; `name` is for messages.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut paragraphs = Vec::new();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let mut number = 1;
        for block in lines.split(|line| line.is_empty()) {
            if !block.is_empty() {
                paragraphs.push(paragraph(name, number, block)?);
            }
            number += block.len() + 1;
        }
        Ok(Self { name: name.to_owned(), paragraphs })
    }

    pub(super) fn stanzas(&self) -> impl Iterator<Item = &Stanza> {
        self.paragraphs.iter().filter_map(|paragraph| match paragraph {
            Paragraph::Stanza(stanza) => Some(stanza),
            Paragraph::Prose(_) => None,
        })
    }

    /// Replaces what the stanzas expect, in their order.
    pub(super) fn expect(&mut self, results: Vec<Vec<String>>) {
        let stanzas = self.paragraphs.iter_mut().filter_map(|paragraph| match paragraph {
            Paragraph::Stanza(stanza) => Some(stanza),
            Paragraph::Prose(_) => None,
        });
        for (stanza, result) in stanzas.zip(results) {
            stanza.expected = result;
        }
    }

    pub(super) fn to_text(&self) -> String {
        let blocks: Vec<String> = self.paragraphs.iter().map(paragraph_text).collect();
        format!("{}\n", blocks.join("\n\n"))
    }
}

fn paragraph(name: &str, number: usize, block: &[&str]) -> Result<Paragraph, String> {
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let Some(at) = block.iter().position(|line| *line == SEPARATOR) else {
        if block.iter().all(|line| is_comment(line)) {
            return Ok(Paragraph::Prose(owned(block)));
        }
        return Err(format!("{name}:{number}: a stanza without a line \"{SEPARATOR}\""));
    };
    let (head, expected) = (&block[..at], &block[at + 1..]);
    if head.iter().all(|line| is_comment(line)) {
        return Err(format!("{name}:{number}: a stanza without a command"));
    }
    if let Some(second) = expected.iter().position(|line| *line == SEPARATOR) {
        let line = number + at + 1 + second;
        return Err(format!("{name}:{line}: a second line \"{SEPARATOR}\" in one stanza"));
    }
    Ok(Paragraph::Stanza(Stanza { line: number, head: owned(head), expected: owned(expected) }))
}

fn paragraph_text(paragraph: &Paragraph) -> String {
    match paragraph {
        Paragraph::Prose(lines) => lines.join("\n"),
        Paragraph::Stanza(stanza) => {
            format!("{}\n{SEPARATOR}\n{}", stanza.head.join("\n"), stanza.expected.join("\n"))
        }
    }
}
