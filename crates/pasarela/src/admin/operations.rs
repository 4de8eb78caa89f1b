//! The table as a command line: every operation is a command, its fields are options.
//!
//! `pasarela org create --name acme --kind partner` and `pasarela admin createOrganisation --name …` are the same request.
//! Nothing is decided here: what is wrong with a request, the API says.

use std::{
    io::{Read as _, Write as _},
    process::ExitCode,
};

use clap::{
    Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches, Subcommand,
    builder::PossibleValuesParser,
};
use serde_json::{Map, Value, json};

use super::{
    fields::{Field, Kind},
    nouns::NOUNS,
    table::{ROUTES, Route, Verb},
};
use crate::{
    client::{self, Answer, Client, Reaching},
    commands::check::Format,
    config,
};

/// One operation, with what was said about it.
#[derive(Debug)]
pub struct Operations {
    /// Its id.
    id: &'static str,
    said: ArgMatches,
}

impl FromArgMatches for Operations {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (noun, under) = matches.subcommand().ok_or_else(missing)?;
        let (verb, said) = under.subcommand().ok_or_else(missing)?;
        let named = NOUNS.iter().find(|one| one.name == noun);
        let id = match named {
            Some(noun) => noun.verbs.iter().find(|(word, _)| *word == verb).map(|(_, id)| *id),
            None => Some(verb),
        };
        let route = id.and_then(|id| ROUTES.iter().find(|route| route.id == id));
        route.map(|route| Self { id: route.id, said: said.clone() }).ok_or_else(missing)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Operations {
    fn augment_subcommands(command: Command) -> Command {
        let verbs = |about: &'static str| {
            move |name: &'static str| {
                Command::new(name)
                    .about(about)
                    .subcommand_required(true)
                    .arg_required_else_help(true)
            }
        };
        let nouns = NOUNS.iter().map(|noun| {
            let routes = noun.verbs.iter().filter_map(|(verb, id)| {
                let route = ROUTES.iter().find(|route| route.id == *id)?;
                Some(command_of(verb, route))
            });
            verbs(noun.about)(noun.name).subcommands(routes)
        });
        let all = ROUTES.iter().filter(|route| !route.invitation);
        let admin = verbs("Any operation of the administration API, by its id")("admin")
            .subcommands(all.map(|route| command_of(route.id, route)));
        command.subcommands(nouns).subcommand(admin)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == "admin" || NOUNS.iter().any(|noun| noun.name == name)
    }
}

/// Names of options that a field of the same name must not take.
const OWN: [&str; 5] = ["json", "if-match", "format", "admin", "token-file"];

fn command_of(name: &'static str, route: &'static Route) -> Command {
    let mut command = Command::new(name).about(route.summary);
    for (place, part) in parts(route).enumerate() {
        command = command.arg(Arg::new(part).required(true).index(place + 1).value_name(part));
    }
    for field in route.query.iter().chain(route.body.unwrap_or_default()) {
        if is_option(field) {
            command = command.arg(option(field));
        }
    }
    if route.body.is_some() {
        let help =
            "The body as JSON, from a file, or `-` for standard input; options are put into it";
        command = command.arg(Arg::new("json").long("json").value_name("FILE").help(help));
    }
    if route.versioned {
        let help = "The version that you have read; by default what there is now is read first";
        command =
            command.arg(Arg::new("if-match").long("if-match").value_name("VERSION").help(help));
    }
    let formats = PossibleValuesParser::new(["text", "json"]);
    let format = Arg::new("format").long("format").default_value("text").value_parser(formats);
    Reaching::augment_args(command.arg(format.help("How to print the answer")))
        .after_help("Exit code 0: done; 1: refused, or nobody answers; 2: wrong use.")
}

/// Names of the parts of a path that are said.
fn parts(route: &'static Route) -> impl Iterator<Item = &'static str> {
    route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// What is no text is said as JSON.
fn is_option(field: &Field) -> bool {
    !OWN.contains(&field.name)
        && !matches!(field.kind, Kind::Objects(_) | Kind::Shape(_) | Kind::Any)
}

fn option(field: &'static Field) -> Arg {
    // clap wants names that live as long as the process; these few do.
    let long: &'static str = match field.name.contains('_') {
        true => Box::leak(field.name.replace('_', "-").into_boxed_str()),
        false => field.name,
    };
    let arg = Arg::new(field.name).long(long).help(field.about);
    match field.kind {
        Kind::Word(words) => arg.value_parser(PossibleValuesParser::new(words)),
        Kind::Texts { .. } => arg.action(ArgAction::Append).value_name("TEXT"),
        Kind::Integer { .. } => arg.value_name("NUMBER").value_parser(clap::value_parser!(i64)),
        Kind::Time => arg.value_name("TIME"),
        Kind::Object(_) if field.name == "rate" => arg.value_name("RATE"),
        Kind::Object(_) | Kind::Definition => arg.value_name("JSON"),
        _ => arg.value_name("TEXT"),
    }
}

impl Operations {
    /// Asks, and prints the answer.
    pub fn run(&self) -> ExitCode {
        let Some(route) = ROUTES.iter().find(|route| route.id == self.id) else {
            return ExitCode::from(2);
        };
        let wrong = |why: String| {
            eprintln!("pasarela: {why}");
            ExitCode::from(2)
        };
        let reaching = match Reaching::from_arg_matches(&self.said) {
            Ok(reaching) => reaching,
            Err(error) => return wrong(error.to_string()),
        };
        let (client, body) = match (reaching.needed(), self.body(route)) {
            (Ok(client), Ok(body)) => (client, body),
            (Err(why), _) | (_, Err(why)) => return wrong(why),
        };
        let format = match self.text("format").as_deref() {
            Some("json") => Format::Json,
            _ => Format::Text,
        };
        match self.asked(&client, route, body.as_ref()) {
            Ok(answer) if answer.status < 300 => {
                print(&answer.body, format);
                ExitCode::SUCCESS
            }
            Ok(answer) => {
                match format {
                    Format::Text => eprint!("{}", client::problem(&answer.body)),
                    Format::Json => print(&answer.body, format),
                }
                ExitCode::FAILURE
            }
            Err(why) => {
                eprintln!("pasarela: {why}");
                ExitCode::FAILURE
            }
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.said.try_get_one::<String>(name).ok().flatten().cloned()
    }

    fn asked(
        &self,
        client: &Client,
        route: &'static Route,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let path = self.path(route);
        let method = match route.method {
            Verb::Get => return self.read(client, route, &path),
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        };
        let mut etag =
            self.text("if-match").map(|version| format!("\"{}\"", version.trim_matches('"')));
        if route.versioned && etag.is_none() {
            // What is changed is what the path names up to its last id.
            let named = path.strip_suffix("/import").unwrap_or(&path);
            let now = client.ask("GET", named, None, None)?;
            if now.status != 200 {
                return Ok(now);
            }
            etag = now.etag;
        }
        client.ask(method, &path, etag.as_deref(), body)
    }

    /// Of a list all pages, unless it was said how many.
    fn read(&self, client: &Client, route: &Route, path: &str) -> Result<Answer, String> {
        let mut after = self.text("after");
        let limit = self.said.try_get_one::<i64>("limit").ok().flatten().copied();
        let mut items = Vec::new();
        loop {
            let mut query: Vec<(&str, String)> = Vec::new();
            for field in
                route.query.iter().filter(|field| !["after", "limit"].contains(&field.name))
            {
                query.extend(self.text(field.name).map(|value| (field.name, value)));
            }
            query.extend(after.take().map(|after| ("after", after)));
            query.extend(limit.map(|limit| ("limit", limit.to_string())));
            let query: Vec<_> =
                query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
            let target = if query.is_empty() {
                path.to_owned()
            } else {
                format!("{path}?{}", query.join("&"))
            };
            let mut answer = client.ask("GET", &target, None, None)?;
            after = answer.body["next"].as_str().filter(|_| limit.is_none()).map(str::to_owned);
            if !route.page || answer.status != 200 {
                return Ok(answer);
            }
            if let Some(more) = answer.body["items"].as_array_mut() {
                items.append(more);
            }
            if after.is_none() {
                answer.body["items"] = items.into();
                return Ok(answer);
            }
        }
    }

    fn path(&self, route: &'static Route) -> String {
        let part = |part: &'static str| match part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        {
            Some(name) => escaped(&self.text(name).unwrap_or_default()),
            None => part.to_owned(),
        };
        route.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    /// The body, where there is one.
    fn body(&self, route: &'static Route) -> Result<Option<Value>, String> {
        let Some(fields) = route.body else { return Ok(None) };
        let mut body = match self.text("json") {
            None => Map::new(),
            Some(file) => {
                let text = read(&file)?;
                match serde_json::from_str(&text) {
                    Ok(Value::Object(body)) => body,
                    Ok(_) => return Err(format!("{file}: write a JSON object")),
                    Err(error) => return Err(format!("{file} is not JSON: {error}")),
                }
            }
        };
        for field in fields.iter().filter(|field| is_option(field)) {
            if let Some(value) = self.value(field)? {
                body.insert(field.name.to_owned(), value);
            }
        }
        Ok(Some(Value::Object(body)))
    }

    fn value(&self, field: &Field) -> Result<Option<Value>, String> {
        let name = field.name;
        Ok(match field.kind {
            Kind::Integer { .. } => {
                self.said.try_get_one::<i64>(name).ok().flatten().map(|value| json!(value))
            }
            Kind::Texts { .. } => {
                let all = self.said.try_get_many::<String>(name).ok().flatten();
                let texts = all.map(|all| all.cloned().map(Value::from).collect::<Vec<_>>());
                // A list that has to be there may be empty.
                texts.or_else(|| field.required.then(Vec::new)).map(Value::from)
            }
            Kind::Object(_) | Kind::Definition => match self.text(name) {
                None => None,
                Some(text) if name == "rate" && !text.starts_with('{') && text != "null" => {
                    Some(rate(&text).map_err(|why| format!("--rate: {why}"))?)
                }
                Some(text) => {
                    let read = serde_json::from_str(&text);
                    Some(read.map_err(|error| format!("--{name} is not JSON: {error}"))?)
                }
            },
            Kind::Flag => self.text(name).map(|text| json!(text == "true")),
            _ => self.text(name).map(Value::from),
        })
    }
}

fn read(file: &str) -> Result<String, String> {
    const BYTES_MAX: u64 = 24 << 20;
    if file != "-" {
        let bytes = config::read_file(file.as_ref(), BYTES_MAX)
            .map_err(|why| format!("{file} cannot be read: {why}"))?;
        return String::from_utf8(bytes).map_err(|_| format!("{file} is not UTF-8 text"));
    }
    let mut text = String::new();
    let done = std::io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text);
    done.map(|_| text).map_err(|error| format!("standard input cannot be read: {error}"))
}

/// As the file writes it: `5/s`, `100/s burst 200`.
fn rate(text: &str) -> Result<Value, String> {
    let rate = config::rate(text)?;
    Ok(json!({
        "count": rate.count, "per_ms": u64::try_from(rate.per.as_millis()).unwrap_or(u64::MAX), "burst": rate.burst,
    }))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

fn print(body: &Value, format: Format) {
    let out = match format {
        Format::Json => format!("{body:#}\n"),
        Format::Text => match body["items"].as_array() {
            Some(items) => table(items),
            None => lines(body),
        },
    };
    let _ = std::io::stdout().lock().write_all(out.as_bytes());
}

/// Columns of a list: what has one line is shown.
fn table(items: &[Value]) -> String {
    const HIDDEN: [&str; 4] = ["version", "definition", "documents", "seal"];
    let mut names: Vec<&String> = Vec::new();
    for item in items {
        for (name, value) in item.as_object().into_iter().flatten() {
            let short = !value.is_object() && !HIDDEN.contains(&name.as_str());
            if short && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    // The id first, then what it is called.
    names.sort_by_key(|name| ![&"id", &"number"].contains(&&name.as_str()));
    let mut rows = vec![names.iter().map(|name| (*name).clone()).collect::<Vec<_>>()];
    rows.extend(
        items.iter().map(|item| names.iter().map(|name| short(&item[name.as_str()])).collect()),
    );
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..names.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    match items.is_empty() {
        true => "There is none.\n".to_owned(),
        false => rows.iter().map(line).collect(),
    }
}

fn lines(body: &Value) -> String {
    let members = body.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name}: {}\n", short(value))).collect()
}

/// A value on one line; what others wrote does nothing to a terminal.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Operations::augment_subcommands(Command::new("pasarela"))
    }

    fn said(words: &[&str]) -> (Operations, &'static Route) {
        let matches = command().try_get_matches_from(words).unwrap();
        let operations = Operations::from_arg_matches(&matches).unwrap();
        let route = ROUTES.iter().find(|route| route.id == operations.id).unwrap();
        (operations, route)
    }

    #[test]
    fn every_operation_has_a_command_and_every_verb_an_operation() {
        command().debug_assert();
        let of_nouns: Vec<_> =
            NOUNS.iter().flat_map(|noun| noun.verbs).map(|(_, id)| *id).collect();
        for id in &of_nouns {
            assert!(ROUTES.iter().any(|route| route.id == *id), "{id} is no operation");
        }
        // Who one is, and what `login` does.
        let left: Vec<_> =
            ROUTES.iter().map(|route| route.id).filter(|id| !of_nouns.contains(id)).collect();
        assert_eq!(left, ["whoAmI", "acceptInvitation"]);
        for route in ROUTES {
            for field in route.query.iter().chain(route.body.unwrap_or_default()) {
                assert!(
                    !OWN.contains(&field.name),
                    "{} of {} cannot be said",
                    field.name,
                    route.id
                );
            }
        }
    }

    #[test]
    fn what_is_said_becomes_path_and_body() {
        let (it, route) =
            said(&["pasarela", "plan", "create", "--name", "gold", "--rate", "100/s burst 200"]);
        let rate = json!({ "count": 100, "per_ms": 1000, "burst": 200 });
        assert_eq!(
            it.body(route).unwrap(),
            Some(json!({ "name": "gold", "rate": rate, "apis": [] }))
        );
        let (it, route) = said(&["pasarela", "admin", "admit", "org/1", "deals", "v1"]);
        assert_eq!(it.path(route), "/organisations/org%2F1/admissions/deals/v1");
        assert_eq!(it.body(route).unwrap(), None);
        let (it, route) = said(&["pasarela", "key", "rotate", "key_1", "--overlap-seconds", "60"]);
        assert_eq!(it.body(route).unwrap(), Some(json!({ "overlap_seconds": 60 })));
        let unknown =
            command().try_get_matches_from(["pasarela", "org", "create", "--colour", "red"]);
        assert_eq!(unknown.unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_list_is_a_table_that_does_nothing_to_a_terminal() {
        let items = [
            json!({ "name": "a\u{1b}[2J", "id": "org_1", "version": 3 }),
            json!({ "name": "bolt", "id": "org_22", "version": 1 }),
        ];
        assert_eq!(table(&items), "id      name\norg_1   a [2J\norg_22  bolt\n");
    }
}
