//! The commands: their effects on the store, and their replies.

use std::time::Duration;

use tidelock_core::Instant;

use crate::reply::{Reply, bulk_len};
use crate::resp::{Limits, Request, parse_integer};
use crate::store::{Store, WrongType};

/// The limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The limits of one client's request.
    pub(crate) limits: Limits,
    /// The most bytes that the server keeps for all clients together: unfinished requests, requests
    /// that wait, and replies that wait. Redis calls it `maxmemory-clients`.
    pub(crate) clients_bytes_max: usize,
    /// The largest message. Replies are sent together, in messages of at most this size.
    pub(crate) message_bytes_max: usize,
    /// The longest reply to one request.
    pub(crate) reply_bytes_max: usize,
    /// The most bytes of keys and values. Redis calls it `maxmemory`.
    pub(crate) store_bytes_max: usize,
    /// The most clients at a time. Redis calls it `maxclients`.
    pub(crate) clients_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            clients_bytes_max: 256 << 20,
            message_bytes_max: 64 << 10,
            reply_bytes_max: 32 << 20,
            store_bytes_max: 1 << 30,
            clients_max: 10_000,
        }
    }
}

/// The fate of the client after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Its next request is served.
    Continue,
    /// It quit: everything after this request is ignored.
    Quit,
    /// The reply would be longer than `reply_bytes_max`. Redis closes without a reply when the
    /// output buffer of a client exceeds its hard limit.
    ReplyTooLarge,
}

/// The environment in which a request is executed.
pub(crate) struct Context<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) settings: &'a Settings,
    pub(crate) now: Instant,
    pub(crate) reply: &'a mut Reply,
}

struct Command {
    name: &'static str,
    /// The number of arguments, including the name; a negative number is a minimum.
    arity: i64,
    /// The positions of the first and last key, and the step between keys.
    keys: [i64; 3],
    flags: &'static [&'static str],
    run: fn(&mut Context<'_>, &Request) -> Result<After, Failure>,
}

/// The reason why a command replies with an error.
enum Failure {
    WrongType,
    NotAnInteger,
    Overflow,
    Syntax,
    InvalidExpire,
    Arity(&'static str),
    UnknownSubcommand(Vec<u8>, &'static str),
}

impl From<WrongType> for Failure {
    fn from(_: WrongType) -> Self {
        Failure::WrongType
    }
}

const READ: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write", DENY_OOM];
const DENY_OOM: &str = "denyoom";

const COMMANDS: [Command; 16] = [
    Command { name: "get", arity: 2, keys: [1, 1, 1], flags: READ, run: get },
    Command { name: "set", arity: -3, keys: [1, 1, 1], flags: WRITE, run: set },
    Command { name: "ping", arity: -1, keys: [0, 0, 0], flags: &["fast"], run: ping },
    Command { name: "echo", arity: 2, keys: [0, 0, 0], flags: &["fast"], run: echo },
    Command { name: "incr", arity: 2, keys: [1, 1, 1], flags: WRITE, run: incr },
    Command { name: "mget", arity: -2, keys: [1, -1, 1], flags: READ, run: mget },
    Command { name: "mset", arity: -3, keys: [1, -1, 2], flags: WRITE, run: mset },
    Command { name: "lpush", arity: -3, keys: [1, 1, 1], flags: WRITE, run: lpush },
    Command { name: "lrange", arity: 4, keys: [1, 1, 1], flags: &["readonly"], run: lrange },
    Command { name: "del", arity: -2, keys: [1, -1, 1], flags: &["write"], run: del },
    Command { name: "exists", arity: -2, keys: [1, -1, 1], flags: READ, run: exists },
    Command { name: "dbsize", arity: 1, keys: [0, 0, 0], flags: READ, run: dbsize },
    Command { name: "flushall", arity: -1, keys: [0, 0, 0], flags: &["write"], run: flushall },
    Command { name: "config", arity: -2, keys: [0, 0, 0], flags: &["admin"], run: config },
    Command { name: "command", arity: -1, keys: [0, 0, 0], flags: &["loading"], run: command },
    Command { name: "quit", arity: -1, keys: [0, 0, 0], flags: &["fast"], run: quit },
];

/// Executes one request and appends its reply.
pub(crate) fn execute(context: &mut Context<'_>, request: &Request) -> After {
    let Some(command) = find(request.argument(0)) else {
        context.reply.error(&unknown_command(request));
        return After::Continue;
    };
    let arguments = request.len() as i64;
    let fits =
        if command.arity < 0 { arguments >= -command.arity } else { arguments == command.arity };
    if !fits {
        context.reply.error(&Failure::Arity(command.name).text());
        return After::Continue;
    }
    let is_full = context.store.used_bytes() > context.settings.store_bytes_max;
    if is_full && command.flags.contains(&DENY_OOM) {
        context.reply.error(b"OOM command not allowed when used memory > 'maxmemory'.");
        return After::Continue;
    }
    match (command.run)(context, request) {
        Ok(after) => after,
        Err(failure) => {
            context.reply.error(&failure.text());
            After::Continue
        }
    }
}

impl Failure {
    fn text(&self) -> Vec<u8> {
        match self {
            Failure::WrongType => {
                b"WRONGTYPE Operation against a key holding the wrong kind of value".to_vec()
            }
            Failure::NotAnInteger => b"ERR value is not an integer or out of range".to_vec(),
            Failure::Overflow => b"ERR increment or decrement would overflow".to_vec(),
            Failure::Syntax => b"ERR syntax error".to_vec(),
            Failure::InvalidExpire => b"ERR invalid expire time in 'set' command".to_vec(),
            Failure::Arity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
            Failure::UnknownSubcommand(name, of) => {
                let help = format!("'. Try {of} HELP.");
                [b"ERR unknown subcommand '", c_string(name, 128), help.as_bytes()].concat()
            }
        }
    }
}

fn find(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The name and the first 128 bytes or so of the arguments, each in quotes and with a space after
/// it, the last one too.
fn unknown_command(request: &Request) -> Vec<u8> {
    let mut shown = Vec::new();
    for argument in request.arguments(1) {
        if shown.len() >= 128 {
            break;
        }
        let argument = c_string(argument, 128 - shown.len());
        shown.extend_from_slice(&[b"'", argument, b"' "].concat());
    }
    let name = c_string(request.argument(0), 128);
    [b"ERR unknown command '", name, b"', with args beginning with: ", &shown].concat()
}

/// Returns what C's `%.*s` prints: at most `len_max` bytes, up to a NUL.
fn c_string(bytes: &[u8], len_max: usize) -> &[u8] {
    let window = &bytes[..bytes.len().min(len_max)];
    window.split(|byte| *byte == 0).next().unwrap_or(window)
}

fn ping(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    match request.len() {
        1 => context.reply.status("PONG"),
        2 => context.reply.bulk(request.argument(1)),
        _ => return Err(Failure::Arity("ping")),
    }
    Ok(After::Continue)
}

fn echo(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    context.reply.bulk(request.argument(1));
    Ok(After::Continue)
}

fn quit(context: &mut Context<'_>, _request: &Request) -> Result<After, Failure> {
    context.reply.status("OK");
    Ok(After::Quit)
}

fn get(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    match context.store.text(request.argument(1), context.now)? {
        Some(text) => context.reply.bulk(text),
        None => context.reply.null(),
    }
    Ok(After::Continue)
}

fn set(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let options = SetOptions::parse(request)?;
    let lifetime = options.lifetime()?;
    let (key, value) = (request.argument(1), request.argument(2));
    let is_there = context.store.contains(key, context.now);
    if (options.only_new && is_there) || (options.only_old && !is_there) {
        context.reply.null();
        return Ok(After::Continue);
    }
    let expires_at = lifetime.map(|lifetime| context.now + lifetime);
    context.store.set(key, value, expires_at);
    context.reply.status("OK");
    Ok(After::Continue)
}

/// The options after the value of `SET`.
#[derive(Default)]
struct SetOptions<'a> {
    /// `NX`
    only_new: bool,
    /// `XX`
    only_old: bool,
    /// The argument of `EX` or `PX`, and the unit in milliseconds.
    lifetime: Option<(&'a [u8], i64)>,
}

impl<'a> SetOptions<'a> {
    fn parse(request: &'a Request) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = request.arguments(3);
        while let Some(name) = arguments.next() {
            let unit_millis = match name.to_ascii_lowercase().as_slice() {
                b"nx" if !options.only_old => {
                    options.only_new = true;
                    continue;
                }
                b"xx" if !options.only_new => {
                    options.only_old = true;
                    continue;
                }
                b"ex" => 1000,
                b"px" => 1,
                _ => return Err(Failure::Syntax),
            };
            let is_other_unit = options.lifetime.is_some_and(|(_, unit)| unit != unit_millis);
            let value = arguments.next().ok_or(Failure::Syntax)?;
            if is_other_unit {
                return Err(Failure::Syntax);
            }
            options.lifetime = Some((value, unit_millis));
        }
        Ok(options)
    }

    fn lifetime(&self) -> Result<Option<Duration>, Failure> {
        let Some((text, unit_millis)) = self.lifetime else {
            return Ok(None);
        };
        let count = parse_integer(text).ok_or(Failure::NotAnInteger)?;
        let millis = count.checked_mul(unit_millis).filter(|millis| *millis > 0);
        let millis = millis.ok_or(Failure::InvalidExpire)?;
        Ok(Some(Duration::from_millis(millis.unsigned_abs())))
    }
}

fn del(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let removed = request.arguments(1).filter(|key| context.store.remove(key, context.now));
    let removed = removed.count();
    context.reply.count(removed);
    Ok(After::Continue)
}

fn exists(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let found = request.arguments(1).filter(|key| context.store.contains(key, context.now));
    let found = found.count();
    context.reply.count(found);
    Ok(After::Continue)
}

fn dbsize(context: &mut Context<'_>, _request: &Request) -> Result<After, Failure> {
    context.reply.count(context.store.len());
    Ok(After::Continue)
}

fn incr(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let key = request.argument(1);
    let before = match context.store.text(key, context.now)? {
        Some(text) => parse_integer(text).ok_or(Failure::NotAnInteger)?,
        None => 0,
    };
    let value = before.checked_add(1).ok_or(Failure::Overflow)?;
    context.store.replace(key, value.to_string().as_bytes(), context.now)?;
    context.reply.integer(value);
    Ok(After::Continue)
}

fn mget(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let mut reply_bytes = 0;
    for key in request.arguments(1) {
        // A list reads as no value here, as in Redis.
        let text = context.store.text(key, context.now).unwrap_or(None);
        reply_bytes += bulk_len(text.map_or(0, |text| text.len()));
        if reply_bytes > context.settings.reply_bytes_max {
            return Ok(After::ReplyTooLarge);
        }
    }
    context.reply.array(request.len() - 1);
    for key in request.arguments(1) {
        match context.store.text(key, context.now) {
            Ok(Some(text)) => context.reply.bulk(text),
            Ok(None) | Err(WrongType) => context.reply.null(),
        }
    }
    Ok(After::Continue)
}

fn mset(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    if request.len().is_multiple_of(2) {
        return Err(Failure::Arity("mset"));
    }
    for index in (1..request.len()).step_by(2) {
        context.store.set(request.argument(index), request.argument(index + 1), None);
    }
    context.reply.status("OK");
    Ok(After::Continue)
}

fn lpush(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let mut len = 0;
    for element in request.arguments(2) {
        len = context.store.push_front(request.argument(1), element, context.now)?;
    }
    context.reply.count(len);
    Ok(After::Continue)
}

fn lrange(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let first = parse_integer(request.argument(2)).ok_or(Failure::NotAnInteger)?;
    let last = parse_integer(request.argument(3)).ok_or(Failure::NotAnInteger)?;
    let Some(list) = context.store.list(request.argument(1), context.now)? else {
        context.reply.array(0);
        return Ok(After::Continue);
    };
    let len = list.len() as i64;
    // Negative positions count from the end; positions outside the list are cut off.
    let from_end =
        |position: i64| if position < 0 { len.saturating_add(position) } else { position };
    let (first, last) = (from_end(first).max(0), from_end(last).min(len - 1));
    let range = if first > last { 0..0 } else { first as usize..last as usize + 1 };
    let reply_bytes: usize = list.range(range.clone()).map(|element| bulk_len(element.len())).sum();
    if reply_bytes > context.settings.reply_bytes_max {
        return Ok(After::ReplyTooLarge);
    }
    context.reply.array(range.len());
    for element in list.range(range) {
        context.reply.bulk(element);
    }
    Ok(After::Continue)
}

fn flushall(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let is_mode =
        |mode: &[u8]| mode.eq_ignore_ascii_case(b"async") || mode.eq_ignore_ascii_case(b"sync");
    if request.len() > 2 || !request.arguments(1).all(is_mode) {
        return Err(Failure::Syntax);
    }
    context.store.clear();
    context.reply.status("OK");
    Ok(After::Continue)
}

fn config(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let subcommand = request.argument(1);
    if !subcommand.eq_ignore_ascii_case(b"get") {
        return Err(Failure::UnknownSubcommand(subcommand.to_vec(), "CONFIG"));
    }
    if request.len() < 3 {
        return Err(Failure::Arity("config|get"));
    }
    let settings = context.settings;
    let values = [
        ("appendonly", "no".to_owned()),
        ("client-query-buffer-limit", settings.limits.request_bytes_max.to_string()),
        ("databases", "1".to_owned()),
        ("maxclients", settings.clients_max.to_string()),
        ("maxmemory", settings.store_bytes_max.to_string()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("proto-max-bulk-len", settings.limits.bulk_bytes_max.to_string()),
        ("save", String::new()),
    ];
    let is_asked = |name: &str| {
        request.arguments(2).any(|pattern| matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let asked: Vec<_> = values.iter().filter(|(name, _)| is_asked(name)).collect();
    context.reply.array(asked.len() * 2);
    for (name, value) in asked {
        context.reply.bulk(name.as_bytes());
        context.reply.bulk(value.as_bytes());
    }
    Ok(After::Continue)
}

/// Returns `true` if `text` matches a pattern with `*` and `?`. It takes at most `pattern · text`
/// steps, because only the last `*` is ever tried again.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut in_pattern, mut in_text) = (0, 0);
    let mut last_star = None;
    while in_text < text.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                last_star = Some((in_pattern, in_text));
                in_pattern += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => {
                in_pattern += 1;
                in_text += 1;
            }
            _ => {
                let Some((star, covered)) = last_star else {
                    return false;
                };
                last_star = Some((star, covered + 1));
                in_pattern = star + 1;
                in_text = covered + 1;
            }
        }
    }
    pattern[in_pattern..].iter().all(|byte| *byte == b'*')
}

fn command(context: &mut Context<'_>, request: &Request) -> Result<After, Failure> {
    let reply = &mut *context.reply;
    let is_info = |name: &[u8]| name.eq_ignore_ascii_case(b"info");
    if request.len() == 1 || (request.len() == 2 && is_info(request.argument(1))) {
        reply.array(COMMANDS.len());
        COMMANDS.iter().for_each(|command| describe(command, reply));
        return Ok(After::Continue);
    }
    match request.argument(1).to_ascii_lowercase().as_slice() {
        b"count" if request.len() == 2 => reply.count(COMMANDS.len()),
        b"count" => return Err(Failure::Arity("command|count")),
        b"info" => {
            reply.array(request.len() - 2);
            for name in request.arguments(2) {
                match find(name) {
                    Some(command) => describe(command, reply),
                    None => reply.null_array(),
                }
            }
        }
        _ => {
            return Err(Failure::UnknownSubcommand(request.argument(1).to_vec(), "COMMAND"));
        }
    }
    Ok(After::Continue)
}

/// Describes a command as Redis 7 does: with ten elements, the last four of which are empty here.
fn describe(command: &Command, reply: &mut Reply) {
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(command.arity);
    reply.array(command.flags.len());
    command.flags.iter().for_each(|flag| reply.status(flag));
    command.keys.iter().for_each(|key| reply.integer(*key));
    (0..4).for_each(|_| reply.array(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Parser;

    /// A server without a network, with requests and replies in text.
    #[derive(Default)]
    struct Bench {
        store: Store,
        settings: Settings,
        now: Instant,
    }

    impl Bench {
        fn after(&mut self, request: &[u8]) -> (String, After) {
            let mut parser = Parser::new(Limits::default());
            let mut input = request;
            let request = parser.feed(&mut input).unwrap().expect("one whole request");
            let (store, settings, now) = (&mut self.store, &self.settings, self.now);
            let mut reply = Reply::new(settings.message_bytes_max);
            let after = execute(&mut Context { store, settings, now, reply: &mut reply }, request);
            (String::from_utf8(reply.take().concat()).unwrap(), after)
        }

        fn ask(&mut self, line: &str) -> String {
            let (reply, after) = self.after(format!("{line}\r\n").as_bytes());
            assert_eq!(after, After::Continue);
            reply
        }

        fn pass(&mut self, millis: u64) {
            self.now = self.now + Duration::from_millis(millis);
        }
    }

    const WRONG_TYPE: &str =
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    const NO_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";

    #[test]
    fn ping_echo_and_quit() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("ping"), "+PONG\r\n");
        assert_eq!(bench.ask("PiNg hello"), "$5\r\nhello\r\n");
        assert_eq!(bench.ask("ping a b"), "-ERR wrong number of arguments for 'ping' command\r\n");
        assert_eq!(bench.ask("echo \"a b\""), "$3\r\na b\r\n");
        assert_eq!(bench.ask("ECHO"), "-ERR wrong number of arguments for 'echo' command\r\n");
        assert_eq!(bench.after(b"quit\r\n"), ("+OK\r\n".to_owned(), After::Quit));
    }

    #[test]
    fn texts_are_set_and_got() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("get k"), "$-1\r\n");
        assert_eq!(bench.ask("set k v"), "+OK\r\n");
        assert_eq!(bench.ask("get k"), "$1\r\nv\r\n");
        assert_eq!(bench.ask("set k w nx"), "$-1\r\n");
        assert_eq!(bench.ask("set k w xx"), "+OK\r\n");
        assert_eq!(bench.ask("set other w xx"), "$-1\r\n");
        assert_eq!(bench.ask("set k w nx xx"), "-ERR syntax error\r\n");
        assert_eq!(bench.ask("set k w ex"), "-ERR syntax error\r\n");
        assert_eq!(bench.ask("set k w ex 1 px 1"), "-ERR syntax error\r\n");
        assert_eq!(bench.ask("set k w ex x"), NO_INTEGER);
        let invalid = "-ERR invalid expire time in 'set' command\r\n";
        assert_eq!(bench.ask("set k w ex 0"), invalid);
        assert_eq!(bench.ask("set k w px -1"), invalid);
        assert_eq!(bench.ask("set k w ex 9223372036854775807"), invalid);
        assert_eq!(bench.ask("get"), "-ERR wrong number of arguments for 'get' command\r\n");
        assert_eq!(bench.ask("exists k k other"), ":2\r\n");
        assert_eq!(bench.ask("del k k other"), ":1\r\n");
        assert_eq!(bench.ask("exists k"), ":0\r\n");
    }

    #[test]
    fn a_key_is_gone_when_its_time_has_passed() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("set k v ex 2"), "+OK\r\n");
        assert_eq!(bench.ask("set p v px 5"), "+OK\r\n");
        bench.pass(4);
        assert_eq!(bench.ask("exists k p"), ":2\r\n");
        bench.pass(1);
        assert_eq!(bench.ask("mget k p"), "*2\r\n$1\r\nv\r\n$-1\r\n");
        bench.pass(1994);
        assert_eq!(bench.ask("get k"), "$1\r\nv\r\n");
        bench.pass(1);
        assert_eq!(bench.ask("del k"), ":0\r\n");
        assert_eq!(bench.ask("set k v px 5"), "+OK\r\n");
        assert_eq!(bench.ask("set k v"), "+OK\r\n");
        bench.pass(9);
        assert_eq!(bench.ask("get k"), "$1\r\nv\r\n", "SET without a time takes the time away");
    }

    #[test]
    fn incr_counts_and_keeps_the_time() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("incr n"), ":1\r\n");
        assert_eq!(bench.ask("incr n"), ":2\r\n");
        assert_eq!(bench.ask("get n"), "$1\r\n2\r\n");
        bench.ask("set n -5 px 10");
        assert_eq!(bench.ask("incr n"), ":-4\r\n");
        bench.pass(10);
        assert_eq!(bench.ask("get n"), "$-1\r\n");
        bench.ask("set n 9223372036854775807");
        assert_eq!(bench.ask("incr n"), "-ERR increment or decrement would overflow\r\n");
        bench.ask("set n 1a");
        assert_eq!(bench.ask("incr n"), NO_INTEGER);
        bench.ask("lpush l a");
        assert_eq!(bench.ask("incr l"), WRONG_TYPE);
    }

    #[test]
    fn many_keys_at_once() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("mset a 1 b 2"), "+OK\r\n");
        bench.ask("lpush l x");
        assert_eq!(bench.ask("mget a b c l"), "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$-1\r\n");
        let arity = "-ERR wrong number of arguments for 'mset' command\r\n";
        assert_eq!(bench.ask("mset a 1 b"), arity);
        assert_eq!(bench.ask("mset a"), arity);
        assert_eq!(bench.ask("flushall"), "+OK\r\n");
        assert_eq!(bench.ask("exists a b l"), ":0\r\n");
        assert_eq!(bench.ask("flushall now"), "-ERR syntax error\r\n");
        assert_eq!(bench.ask("flushall ASYNC"), "+OK\r\n");
    }

    #[test]
    fn lists_grow_at_the_front_and_are_read_by_range() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("lpush l a b"), ":2\r\n");
        assert_eq!(bench.ask("lpush l c"), ":3\r\n");
        let all = "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n";
        assert_eq!(bench.ask("lrange l 0 -1"), all);
        assert_eq!(bench.ask("lrange l -100 100"), all);
        assert_eq!(bench.ask("lrange l 1 1"), "*1\r\n$1\r\nb\r\n");
        assert_eq!(bench.ask("lrange l -1 -1"), "*1\r\n$1\r\na\r\n");
        assert_eq!(bench.ask("lrange l -9223372036854775808 -4"), "*0\r\n");
        assert_eq!(bench.ask("lrange l 2 1"), "*0\r\n");
        assert_eq!(bench.ask("lrange l 3 9"), "*0\r\n");
        assert_eq!(bench.ask("lrange none 0 -1"), "*0\r\n");
        assert_eq!(bench.ask("lrange l 0 x"), NO_INTEGER);
        bench.ask("set t v");
        assert_eq!(bench.ask("lrange t 0 -1"), WRONG_TYPE);
        assert_eq!(bench.ask("lpush t a"), WRONG_TYPE);
        assert_eq!(bench.ask("get l"), WRONG_TYPE);
        assert_eq!(bench.ask("set l v"), "+OK\r\n");
    }

    #[test]
    fn unknown_commands_are_reported_with_their_first_arguments() {
        let mut bench = Bench::default();
        let start = "-ERR unknown command 'foo', with args beginning with: ";
        assert_eq!(bench.ask("foo"), format!("{start}\r\n"));
        assert_eq!(bench.ask("foo a \"b\\r\\nc\""), format!("{start}'a' 'b  c' \r\n"));
        let long = "x".repeat(300);
        let shown = &long[..128];
        assert_eq!(bench.ask(&format!("foo {long} more")), format!("{start}'{shown}' \r\n"));
        let name = format!("-ERR unknown command '{shown}', with args beginning with: \r\n");
        assert_eq!(bench.ask(&long), name);
    }

    #[test]
    fn config_get_takes_patterns() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("config get save"), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
        assert_eq!(bench.ask("CONFIG GET APPEND*"), "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n");
        assert_eq!(bench.ask("config get nothing"), "*0\r\n");
        assert!(bench.ask("config get *").starts_with("*16\r\n"));
        assert!(bench.ask("config get maxmemory save").starts_with("*4\r\n"));
        let arity = "-ERR wrong number of arguments for 'config|get' command\r\n";
        assert_eq!(bench.ask("config get"), arity);
        let unknown = "-ERR unknown subcommand 'boil'. Try CONFIG HELP.\r\n";
        assert_eq!(bench.ask("config boil"), unknown);
    }

    #[test]
    fn command_describes_every_command() {
        let mut bench = Bench::default();
        assert_eq!(bench.ask("command count"), ":16\r\n");
        assert!(bench.ask("command").starts_with("*16\r\n*10\r\n$3\r\nget\r\n:2\r\n"));
        assert_eq!(bench.ask("command info nothing"), "*1\r\n*-1\r\n");
        assert!(bench.ask("command info GET").starts_with("*1\r\n*10\r\n$3\r\nget\r\n"));
        let unknown = "-ERR unknown subcommand 'docs'. Try COMMAND HELP.\r\n";
        assert_eq!(bench.ask("command docs"), unknown);
    }

    #[test]
    fn a_full_store_refuses_what_would_add_to_it() {
        let mut bench = Bench::default();
        bench.settings.store_bytes_max = 200;
        assert_eq!(bench.ask(&format!("set k {}", "v".repeat(200))), "+OK\r\n");
        let refusal = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        for line in ["set a b", "incr n", "mset a b", "lpush l a"] {
            assert_eq!(bench.ask(line), refusal, "{line}");
        }
        assert_eq!(bench.ask("exists k"), ":1\r\n");
        assert_eq!(bench.ask("del k"), ":1\r\n");
        assert_eq!(bench.ask("set a b"), "+OK\r\n");
    }

    #[test]
    fn a_reply_above_the_limit_is_not_built() {
        let mut bench = Bench::default();
        bench.settings.reply_bytes_max = 100;
        bench.ask("lpush l aaaaa bbbbb ccccc ddddd");
        bench.ask(&format!("set k {}", "v".repeat(40)));
        assert!(bench.ask("lrange l 0 2").starts_with("*3"));
        assert_eq!(bench.after(b"lrange l 0 3\r\n"), (String::new(), After::ReplyTooLarge));
        assert!(bench.ask("mget k").starts_with("*1"));
        assert_eq!(bench.after(b"mget k k\r\n"), (String::new(), After::ReplyTooLarge));
    }

    #[test]
    fn patterns_match_with_stars_and_question_marks() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*b*b", "abab"), ("*ab", "aab")]
        {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a?", "a"), ("a*c", "abcd"), ("*b*b", "ab")] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        // A matcher that backtracks to every star would take longer than the age of the universe.
        assert!(!matches("*a".repeat(40).as_bytes(), "a".repeat(39).as_bytes()));
        let (pattern, text) = ("a*".repeat(30) + "b", "a".repeat(200));
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
