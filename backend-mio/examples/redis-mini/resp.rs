//! The parser of requests: RESP arrays and inline lines, wherever the network cuts them.

/// The limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest inline request, and the longest line that announces a count or a length.
    pub(crate) line_bytes_max: usize,
    /// The most arguments of one request.
    pub(crate) arguments_max: usize,
    /// The longest argument. Redis calls it `proto-max-bulk-len`.
    pub(crate) bulk_bytes_max: usize,
    /// The most bytes of one request, plus [`ARGUMENT_OVERHEAD_BYTES`] for each argument.
    /// Redis calls it `client-query-buffer-limit`.
    pub(crate) request_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 64 << 10,
            arguments_max: 1 << 20,
            bulk_bytes_max: 4 << 20,
            request_bytes_max: 16 << 20,
        }
    }
}

/// The fixed cost of an argument: its place in the list of ends.
pub(crate) const ARGUMENT_OVERHEAD_BYTES: usize = size_of::<u32>();

/// The largest buffer that is kept for the next request.
const RETAINED_BYTES_MAX: usize = 16 << 10;

/// The reason why a client is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    /// An inline request above `line_bytes_max`.
    InlineTooBig,
    /// A `*` line above `line_bytes_max`.
    CountLineTooBig,
    /// A `$` line above `line_bytes_max`.
    LengthLineTooBig,
    /// The count of arguments is not a number, or above `arguments_max`.
    InvalidMultibulkLength,
    /// The length of an argument is not a number, negative, or above `bulk_bytes_max`.
    InvalidBulkLength,
    /// An argument begins with something other than `$`.
    ExpectedDollar(u8),
    /// An inline request ends inside quotes, or has something right after a closing quote.
    UnbalancedQuotes,
    /// The request as announced is above `request_bytes_max`. Redis closes without a reply.
    RequestTooLarge,
}

impl ProtocolError {
    /// Returns `true` if Redis sends the reason before it closes.
    pub(crate) fn is_answered(self) -> bool {
        self != ProtocolError::RequestTooLarge
    }

    /// Returns the text that Redis sends after `-ERR `. It may contain any byte of the client's.
    pub(crate) fn text(self) -> Vec<u8> {
        let text: &[u8] = match self {
            ProtocolError::InlineTooBig => b"Protocol error: too big inline request",
            ProtocolError::CountLineTooBig => b"Protocol error: too big mbulk count string",
            ProtocolError::LengthLineTooBig => b"Protocol error: too big bulk count string",
            ProtocolError::InvalidMultibulkLength => b"Protocol error: invalid multibulk length",
            ProtocolError::InvalidBulkLength => b"Protocol error: invalid bulk length",
            ProtocolError::UnbalancedQuotes => b"Protocol error: unbalanced quotes in request",
            ProtocolError::RequestTooLarge => b"Protocol error: request above the buffer limit",
            ProtocolError::ExpectedDollar(got) => {
                return [b"Protocol error: expected '$', got '", &[got][..], b"'"].concat();
            }
        };
        text.to_vec()
    }
}

/// One request: its arguments, the first of which names the command.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// All arguments, one after the other.
    bytes: Vec<u8>,
    /// The end of each argument. Invariant: ascending, and in a complete request the last one is
    /// the length of `bytes`.
    ends: Vec<u32>,
}

impl Request {
    /// Returns the number of arguments, including the command's name.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns one argument.
    ///
    /// # Panics
    /// If there are not that many: the command's arity was checked before.
    pub(crate) fn argument(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[begin..self.ends[index] as usize]
    }

    /// Returns the arguments from `first` on.
    pub(crate) fn arguments(&self, first: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        (first.min(self.len())..self.len()).map(|index| self.argument(index))
    }

    fn charge_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * ARGUMENT_OVERHEAD_BYTES
    }

    fn end_argument(&mut self) {
        let end = u32::try_from(self.bytes.len()).expect("request_bytes_max is far below 4 GiB");
        assert!(self.ends.last().is_none_or(|last| *last <= end), "arguments do not shrink");
        self.ends.push(end);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.bytes.shrink_to(RETAINED_BYTES_MAX);
        self.ends.shrink_to(RETAINED_BYTES_MAX / ARGUMENT_OVERHEAD_BYTES);
    }
}

/// A parser that takes bytes in pieces of any size, and returns requests.
///
/// It looks at each byte once, so the work is linear however the pieces are cut. It allocates for
/// bytes that came, never for a length that was only announced.
#[derive(Debug)]
pub(crate) struct Parser {
    limits: Limits,
    step: Step,
    /// The part of the current line that has come. Invariant: at most `line_bytes_max` bytes; empty
    /// between lines.
    line: Vec<u8>,
    request: Request,
    /// The number of arguments that are announced and not complete.
    arguments_left: usize,
    is_complete: bool,
}

/// The element that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A new request, whose first byte tells its kind.
    Start,
    /// An inline request, up to `\n`.
    Inline,
    /// The `*` line, up to `\r`.
    Count,
    /// The byte after that line, and the count.
    CountEnd(usize),
    /// The `$` line, up to `\r`.
    Length,
    /// The byte after that line, and the length.
    LengthEnd(usize),
    /// An argument, and the number of its bytes still to come.
    Payload(usize),
    /// The `\r\n` after an argument, which is not checked, as in Redis; and the number of its bytes
    /// still to come.
    PayloadEnd(u8),
    /// Nothing is read after an error.
    Failed,
}

impl Parser {
    pub(crate) fn new(limits: Limits) -> Self {
        assert!(limits.request_bytes_max < u32::MAX as usize, "ends are 32 bits wide");
        assert!(limits.bulk_bytes_max <= limits.request_bytes_max, "an argument fits its request");
        Self {
            limits,
            step: Step::Start,
            line: Vec::new(),
            request: Request::default(),
            arguments_left: 0,
            is_complete: false,
        }
    }

    /// Consumes `input` up to the end of a request, and returns that; or all of it.
    ///
    /// # Errors
    /// If the client broke the protocol. Nothing after that can be understood.
    ///
    /// # Panics
    /// If it is fed again after an error.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> Result<Option<&Request>, ProtocolError> {
        assert_ne!(self.step, Step::Failed, "nothing is understood after a protocol error");
        if self.is_complete {
            self.is_complete = false;
            self.request.clear();
        }
        while let Some(&first) = input.first() {
            match self.advance(first, input) {
                Ok(false) => {}
                Ok(true) => {
                    assert_eq!(self.step, Step::Start, "a complete request ends where one starts");
                    assert!(self.request.len() > 0, "an empty request is none");
                    self.is_complete = true;
                    return Ok(Some(&self.request));
                }
                Err(error) => {
                    *self = Self { step: Step::Failed, ..Self::new(self.limits) };
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Returns the bytes that the parser keeps for a request that is not complete.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.line.len() + self.request.charge_bytes()
    }

    /// Takes one step, with at least one byte of input. Returns `true` if the request is complete.
    fn advance(&mut self, first: u8, input: &mut &[u8]) -> Result<bool, ProtocolError> {
        match self.step {
            Step::Start => {
                self.step = if first == b'*' { Step::Count } else { Step::Inline };
            }
            Step::Inline => {
                if self.take_line(input, b'\n').ok_or(ProtocolError::InlineTooBig)? {
                    self.step = Step::Start;
                    self.split_inline()?;
                    return Ok(self.request.len() > 0);
                }
            }
            Step::Count => {
                if self.take_line(input, b'\r').ok_or(ProtocolError::CountLineTooBig)? {
                    self.step = Step::CountEnd(self.parse_count()?);
                }
            }
            Step::CountEnd(count) => {
                *input = &input[1..];
                self.arguments_left = count;
                self.step = if count == 0 { Step::Start } else { Step::Length };
            }
            Step::Length => {
                if self.take_line(input, b'\r').ok_or(ProtocolError::LengthLineTooBig)? {
                    self.step = Step::LengthEnd(self.parse_length()?);
                }
            }
            Step::LengthEnd(length) => {
                *input = &input[1..];
                self.step = if length == 0 { Step::PayloadEnd(2) } else { Step::Payload(length) };
            }
            Step::Payload(left) => {
                let (taken, rest) = input.split_at(left.min(input.len()));
                self.request.bytes.extend_from_slice(taken);
                *input = rest;
                let left = left - taken.len();
                self.step = if left == 0 { Step::PayloadEnd(2) } else { Step::Payload(left) };
            }
            Step::PayloadEnd(left) => {
                let skipped = input.len().min(left.into());
                *input = &input[skipped..];
                self.step = Step::PayloadEnd(left - skipped as u8);
                if self.step == Step::PayloadEnd(0) {
                    return Ok(self.end_argument());
                }
            }
            Step::Failed => unreachable!("feed asserts it"),
        }
        Ok(false)
    }

    /// Moves bytes from `input` to the line up to `end`, which is consumed. Returns `true` if `end`
    /// came, or `None` if the line is too long.
    fn take_line(&mut self, input: &mut &[u8], end: u8) -> Option<bool> {
        let room = self.limits.line_bytes_max - self.line.len();
        let window = &input[..input.len().min(room + 1)];
        let found = window.iter().position(|byte| *byte == end);
        if found.is_none() && window.len() > room {
            return None;
        }
        let taken = found.unwrap_or(window.len());
        self.line.extend_from_slice(&window[..taken]);
        *input = &input[taken + usize::from(found.is_some())..];
        Some(found.is_some())
    }

    fn parse_count(&mut self) -> Result<usize, ProtocolError> {
        assert_eq!(self.line.first(), Some(&b'*'), "the first byte chose this step");
        let count = parse_integer(&self.line[1..]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        self.clear_line();
        // Zero and negative counts are empty requests, which are skipped.
        let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
        if count > self.limits.arguments_max {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        Ok(count)
    }

    fn parse_length(&mut self) -> Result<usize, ProtocolError> {
        let first = self.line.first().copied().unwrap_or(b'\r');
        if first != b'$' {
            return Err(ProtocolError::ExpectedDollar(first));
        }
        let length = parse_integer(&self.line[1..]).and_then(|length| usize::try_from(length).ok());
        self.clear_line();
        match length {
            Some(length) if length <= self.limits.bulk_bytes_max => {
                let charge = self.request.charge_bytes() + length + ARGUMENT_OVERHEAD_BYTES;
                if charge > self.limits.request_bytes_max {
                    return Err(ProtocolError::RequestTooLarge);
                }
                Ok(length)
            }
            _ => Err(ProtocolError::InvalidBulkLength),
        }
    }

    /// Returns `true` if the request is complete.
    fn end_argument(&mut self) -> bool {
        self.request.end_argument();
        assert!(self.arguments_left > 0, "an argument that was not announced");
        self.arguments_left -= 1;
        self.step = if self.arguments_left == 0 { Step::Start } else { Step::Length };
        self.arguments_left == 0
    }

    fn split_inline(&mut self) -> Result<(), ProtocolError> {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        assert_eq!(self.request.len(), 0, "an inline request is one line");
        split_quoted(line, &mut self.request).ok_or(ProtocolError::UnbalancedQuotes)?;
        self.clear_line();
        Ok(())
    }

    fn clear_line(&mut self) {
        self.line.clear();
        self.line.shrink_to(RETAINED_BYTES_MAX);
    }
}

/// Parses an integer as Redis does: decimal, no sign but `-`, no leading zero, no space.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Splits an inline request at spaces, with Redis' quoting: `"\x0a \n \""` and `'\''`. `None` if
/// a quote is not closed, or is followed by something else than a space.
fn split_quoted(line: &[u8], request: &mut Request) -> Option<()> {
    let mut rest = line;
    loop {
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest = &rest[spaces..];
        if rest.is_empty() {
            return Some(());
        }
        rest = take_argument(rest, &mut request.bytes)?;
        request.end_argument();
    }
}

/// Appends one argument to `to` and returns the text after it.
fn take_argument<'a>(mut rest: &'a [u8], to: &mut Vec<u8>) -> Option<&'a [u8]> {
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b' ' | b'\t' | b'\r' => return Some(rest),
            b'"' | b'\'' => {
                rest = take_quoted(after, byte, to)?;
                return rest.first().is_none_or(|next| is_space(*next)).then_some(rest);
            }
            _ => {
                to.push(byte);
                rest = after;
            }
        }
    }
    Some(rest)
}

/// Appends the text before the closing `quote` to `to`, and returns the text after that.
fn take_quoted<'a>(mut rest: &'a [u8], quote: u8, to: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [byte, ref after @ ..] if byte == quote => return Some(after),
            [b'\\', b'\'', ref after @ ..] if quote == b'\'' => {
                to.push(b'\'');
                after
            }
            [b'\\', b'x', high, low, ref after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                to.push(hex_digit(high) << 4 | hex_digit(low));
                after
            }
            [b'\\', escaped, ref after @ ..] if quote == b'"' => {
                to.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                after
            }
            [byte, ref after @ ..] => {
                to.push(byte);
                after
            }
            [] => return None,
        }
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        other => unreachable!("{other} is not a hexadecimal digit"),
    }
}

/// Returns `true` for what C's `isspace` takes for a space.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Limits so low that a test can reach them.
    const SMALL: Limits =
        Limits { line_bytes_max: 24, arguments_max: 6, bulk_bytes_max: 40, request_bytes_max: 80 };

    type Requests = Vec<Vec<Vec<u8>>>;

    fn arguments_of(request: &Request) -> Vec<Vec<u8>> {
        request.arguments(0).map(<[u8]>::to_vec).collect()
    }

    /// Parses `pieces`, up to the first error.
    fn parse<'a>(
        limits: Limits,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Requests, Option<ProtocolError>) {
        let mut parser = Parser::new(limits);
        let mut requests = Vec::new();
        for mut piece in pieces {
            loop {
                match parser.feed(&mut piece) {
                    Ok(Some(request)) => requests.push(arguments_of(request)),
                    Ok(None) => break,
                    Err(error) => return (requests, Some(error)),
                }
                assert!(parser.request.charge_bytes() <= limits.request_bytes_max);
            }
            assert!(piece.is_empty(), "what is not complete is consumed, too");
            assert!(parser.kept_bytes() <= limits.request_bytes_max + limits.line_bytes_max);
            let capacity = parser.line.capacity()
                + parser.request.bytes.capacity()
                + parser.request.ends.capacity() * ARGUMENT_OVERHEAD_BYTES;
            let kept_max = limits.request_bytes_max + limits.line_bytes_max;
            assert!(capacity <= 2 * kept_max + 64, "{capacity} B are allocated");
        }
        (requests, None)
    }

    fn encode(requests: &Requests) -> Vec<u8> {
        let mut bytes = Vec::new();
        for arguments in requests {
            bytes.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
            for argument in arguments {
                bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
                bytes.extend_from_slice(argument);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes
    }

    /// Returns the pieces of `bytes` between `cuts`, each of which is taken modulo the length.
    fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(&ends).map(|(begin, end)| &bytes[begin..*end]).collect()
    }

    fn one(text: &str) -> (Requests, Option<ProtocolError>) {
        parse(Limits::default(), [text.as_bytes()])
    }

    fn error_of(text: &str) -> ProtocolError {
        one(text).1.expect("this is a protocol error")
    }

    #[test]
    fn a_request_split_at_every_byte_is_the_same_request() {
        let text = b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\nPING \"a b\"\r\n*0\r\n\r\n*1\r\n$1\r\nx\r\n";
        let whole = parse(Limits::default(), [&text[..]]);
        let expected: Requests = vec![
            vec![b"SET".to_vec(), b"a\r\nb".to_vec(), Vec::new()],
            vec![b"PING".to_vec(), b"a b".to_vec()],
            vec![b"x".to_vec()],
        ];
        assert_eq!(whole, (expected, None));
        for position in 0..=text.len() {
            let (front, back) = text.split_at(position);
            assert_eq!(parse(Limits::default(), [front, back]), whole, "cut at {position}");
        }
        assert_eq!(parse(Limits::default(), text.chunks(1)), whole);
    }

    #[test]
    fn each_protocol_error_has_the_text_of_redis() {
        let text = |request: &str| String::from_utf8(error_of(request).text()).unwrap();
        assert_eq!(text("*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(text("*1\r\n$03\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(text("*1\r\n$536870912\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(text("*1\r\nxyz\r\n"), "Protocol error: expected '$', got 'x'");
        assert_eq!(text("*x\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(text("*1048577\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(text("*9223372036854775808\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(text("SET a \"b\r\n"), "Protocol error: unbalanced quotes in request");
        assert_eq!(text("SET \"a\"b\r\n"), "Protocol error: unbalanced quotes in request");
        let long = "a".repeat((64 << 10) + 1);
        assert_eq!(text(&long), "Protocol error: too big inline request");
        assert_eq!(text(&format!("*{long}")), "Protocol error: too big mbulk count string");
        assert_eq!(text(&format!("*1\r\n${long}")), "Protocol error: too big bulk count string");
        assert_eq!(error_of("*1\r\n\r\n"), ProtocolError::ExpectedDollar(b'\r'));
    }

    #[test]
    fn the_longest_line_is_still_a_request() {
        let line = "a".repeat(64 << 10);
        let (requests, error) = one(&format!("{line}\n"));
        assert_eq!(error, None);
        assert_eq!(requests[0][0].len(), 64 << 10);
    }

    #[test]
    fn counts_of_zero_and_below_are_passed_over() {
        assert_eq!(one("*-10\r\n*0\r\n\r\n \r\nPING\r\n"), (vec![vec![b"PING".to_vec()]], None));
    }

    #[test]
    fn quotes_escape_as_in_redis() {
        let (requests, error) = one("a\"b c\" \"\\x41\\n\\\"\\q\\xg1\" 'it\\'s \\n' \t''\n");
        assert_eq!(error, None);
        let expected: [&[u8]; 4] = [b"ab c", b"A\n\"qxg1", b"it's \\n", b""];
        assert_eq!(requests, vec![expected.map(<[u8]>::to_vec).to_vec()]);
    }

    #[test]
    fn nothing_is_allocated_for_an_announced_length() {
        let mut parser = Parser::new(Limits::default());
        let mut input: &[u8] = b"*1048576\r\n$4194304\r\nabc";
        assert!(matches!(parser.feed(&mut input), Ok(None)));
        assert_eq!(parser.kept_bytes(), 3);
        let capacity = parser.request.bytes.capacity() + parser.request.ends.capacity();
        assert!(capacity < 1024, "{capacity} B for three");
    }

    #[test]
    fn a_request_above_the_limit_is_refused_when_it_is_announced() {
        let text = b"*3\r\n$40\r\n0123456789012345678901234567890123456789\r\n$40\r\n";
        assert_eq!(parse(SMALL, [&text[..]]).1, Some(ProtocolError::RequestTooLarge));
    }

    #[test]
    fn many_empty_arguments_are_charged() {
        let limits = Limits { arguments_max: 1000, ..SMALL };
        let text = format!("*1000\r\n{}", "$0\r\n\r\n".repeat(1000));
        assert_eq!(parse(limits, [text.as_bytes()]).1, Some(ProtocolError::RequestTooLarge));
    }

    #[test]
    fn a_megabyte_byte_by_byte_is_linear() {
        let value = vec![b'v'; 1 << 20];
        let bytes = encode(&vec![vec![value.clone()]]);
        // A parser that looked at all kept bytes for each new one would take 5 · 10^11 steps.
        let (requests, error) = parse(Limits::default(), bytes.chunks(1));
        assert_eq!((requests.len(), error), (1, None));
        assert!(requests[0][0] == value);
    }

    #[test]
    fn a_large_request_is_not_kept() {
        let mut parser = Parser::new(Limits::default());
        let bytes = encode(&vec![vec![vec![b'v'; 1 << 20]]]);
        let mut input = bytes.as_slice();
        assert!(matches!(parser.feed(&mut input), Ok(Some(_))));
        assert!(matches!(parser.feed(&mut input), Ok(None)));
        assert!(parser.request.bytes.capacity() <= RETAINED_BYTES_MAX);
        assert_eq!(parser.kept_bytes(), 0);
    }

    #[test]
    fn integers_are_read_as_strictly_as_redis_does() {
        for (text, value) in [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX)] {
            assert_eq!(parse_integer(text.as_bytes()), Some(value));
        }
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "-0", "+1", "01", " 1", "1 ", "1.0", "9223372036854775808", "0x1"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
    }

    /// Bytes, many of which have a meaning in the protocol.
    fn garbage() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"*2\r\n".to_vec()),
            Just(b"$3\r\nabc\r\n".to_vec()),
            Just(b"$".to_vec()),
            Just(b"*".to_vec()),
            Just(b"\"".to_vec()),
            Just(b" \\x4".to_vec()),
            "[0-9]{1,3}".prop_map(String::into_bytes),
            vec(any::<u8>(), 0..12),
        ];
        vec(token, 0..24).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn requests_come_out_as_they_went_in(
            requests in vec(vec(vec(any::<u8>(), 0..20), 1..5), 0..8),
            cuts in vec(any::<usize>(), 0..20),
        ) {
            let bytes = encode(&requests);
            let parsed = parse(Limits::default(), cut(&bytes, &cuts));
            prop_assert_eq!(parsed, (requests, None));
        }

        #[test]
        fn garbage_ends_the_same_wherever_it_is_cut_and_within_the_limit(
            bytes in garbage(),
            cuts in vec(any::<usize>(), 0..20),
        ) {
            let whole = parse(SMALL, [bytes.as_slice()]);
            prop_assert_eq!(parse(SMALL, cut(&bytes, &cuts)), whole.clone());
            prop_assert_eq!(parse(SMALL, bytes.chunks(1)), whole);
        }
    }
}
