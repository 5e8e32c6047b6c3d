//! The small language of the mappings: what a case says, turned into the words of an estimate
//!
//! Names (with dots into objects), decimals, `'texts'`, `null`, `true`, `false`, `+ - * /`, comparisons, `is [not] null`,
//! `and or not`, and `coalesce(…)`, `if(condition, value, …, else)`, `has(text, 'one|other')`, `ceil(x)`, `least(…)`,
//! `greatest(…)`. Arithmetic with null is null; a condition that is null is no.
use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet};

use paygrain_pricing::Exact;

/// What a case holds, and what a formula yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Exact),
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// A value of a case's file: texts that are numbers with a comment or commas are numbers.
    pub fn of(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => Value::Number(Exact::parse(&number.to_string()).unwrap()),
            serde_json::Value::String(text) => number(text).map_or_else(|| Value::Text(text.clone()), Value::Number),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Value::of).collect()),
            serde_json::Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, value)| (name.clone(), Value::of(value))).collect())
            }
        }
    }

    fn is_true(&self) -> bool {
        *self == Value::Bool(true)
    }
}

/// The number a text is: `1.369863 (= 1000 GB / 730 h)`, `30,000,000`, `50%`, `$0.20`; otherwise it is a word.
fn number(text: &str) -> Option<Exact> {
    let bare = text.split_once(" (").map_or(text, |(number, _)| number).trim().trim_start_matches('$');
    let (bare, percent) = match bare.strip_suffix('%') {
        Some(bare) => (bare.trim_end(), true),
        None => (bare, false),
    };
    let digits = match bare.contains(',') {
        true => {
            let whole = bare.split('.').next().unwrap_or_default();
            let mut groups = whole.split(',');
            let first = groups.next()?.len();
            if !(1..=3).contains(&first) || groups.any(|group| group.len() != 3) {
                return None;
            }
            bare.replace(',', "")
        }
        false => bare.to_owned(),
    };
    let value = Exact::parse(&digits).ok()?;
    Some(if percent { value * Exact::ratio(1, 100)? } else { value })
}

/// Names and what they stand for; later layers hide earlier ones.
pub struct Scope<'a> {
    /// A layer: a prefix under which reads are recorded, and its names.
    pub layers: Vec<(String, &'a BTreeMap<String, Value>)>,
    /// Every name read.
    pub read: RefCell<BTreeSet<String>>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Value {
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        for (prefix, names) in self.layers.iter().rev() {
            let Some(mut value) = names.get(first) else { continue };
            for part in parts {
                match value {
                    Value::Object(fields) => match fields.get(part) {
                        Some(field) => value = field,
                        None => return Value::Null,
                    },
                    _ => return Value::Null,
                }
            }
            self.read.borrow_mut().insert(match name {
                "item" => prefix.trim_end_matches('.').to_owned(),
                _ => format!("{prefix}{name}"),
            });
            return value.clone();
        }
        Value::Null
    }
}

/// A formula, read once.
#[derive(Debug)]
pub enum Formula {
    Value(Value),
    Name(String),
    Not(Box<Formula>),
    IsNull(Box<Formula>, bool),
    Binary(&'static str, Box<Formula>, Box<Formula>),
    Call(String, Vec<Formula>),
}

impl Formula {
    /// Reads a formula.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0 };
        let formula = reader.or().map_err(|message| format!("{message} in `{text}`"))?;
        match reader.tokens.get(reader.at) {
            None => Ok(formula),
            Some(token) => Err(format!("unexpected {token:?} in `{text}`")),
        }
    }

    /// The first parts of the names in it.
    pub fn names(&self, found: &mut BTreeSet<String>) {
        match self {
            Formula::Value(_) => {}
            Formula::Name(name) => drop(found.insert(name.split('.').next().unwrap_or_default().to_owned())),
            Formula::Not(inner) | Formula::IsNull(inner, _) => inner.names(found),
            Formula::Binary(_, left, right) => {
                left.names(found);
                right.names(found);
            }
            Formula::Call(_, arguments) => arguments.iter().for_each(|argument| argument.names(found)),
        }
    }

    /// Its value.
    pub fn value(&self, scope: &Scope<'_>) -> Value {
        match self {
            Formula::Value(value) => value.clone(),
            Formula::Name(name) => scope.get(name),
            Formula::Not(formula) => Value::Bool(!formula.value(scope).is_true()),
            Formula::IsNull(formula, negated) => Value::Bool((formula.value(scope) == Value::Null) != *negated),
            Formula::Binary("and", left, right) => {
                Value::Bool(left.value(scope).is_true() && right.value(scope).is_true())
            }
            Formula::Binary("or", left, right) => {
                Value::Bool(left.value(scope).is_true() || right.value(scope).is_true())
            }
            Formula::Binary(operator, left, right) => binary(operator, left.value(scope), right.value(scope)),
            Formula::Call(name, arguments) => call(name, arguments, scope),
        }
    }
}

fn binary(operator: &str, left: Value, right: Value) -> Value {
    let (left, right) = match (left, right) {
        (Value::Number(left), Value::Number(right)) => (left, right),
        (Value::Null, _) | (_, Value::Null) => return Value::Null,
        (left, right) => {
            return match operator {
                "=" => Value::Bool(left == right),
                "!=" => Value::Bool(left != right),
                _ => Value::Null,
            };
        }
    };
    match operator {
        "+" => Value::Number(left + right),
        "-" => Value::Number(left - right),
        "*" => Value::Number(left * right),
        "/" => left.checked_div(&right).map_or(Value::Null, Value::Number),
        "=" => Value::Bool(left == right),
        "!=" => Value::Bool(left != right),
        "<" => Value::Bool(left < right),
        "<=" => Value::Bool(left <= right),
        ">" => Value::Bool(left > right),
        _ => Value::Bool(left >= right),
    }
}

fn call(name: &str, arguments: &[Formula], scope: &Scope<'_>) -> Value {
    match name {
        "if" => {
            let (branches, otherwise) = arguments.split_at(arguments.len() - 1);
            let taken = branches.chunks(2).find(|branch| branch[0].value(scope).is_true());
            taken.map_or(&otherwise[0], |branch| &branch[1]).value(scope)
        }
        "coalesce" => {
            for argument in arguments {
                // What a null alternative read does not count as used.
                let read = scope.read.borrow().clone();
                let value = argument.value(scope);
                if value != Value::Null {
                    return value;
                }
                scope.read.replace(read);
            }
            Value::Null
        }
        "has" => {
            let (Value::Text(text), Value::Text(words)) = (arguments[0].value(scope), arguments[1].value(scope)) else {
                return Value::Bool(false);
            };
            let text = text.to_lowercase();
            Value::Bool(words.to_lowercase().split('|').any(|word| text.contains(word)))
        }
        "ceil" => match arguments[0].value(scope) {
            Value::Number(number) => Value::Number(number.ceil_to_integer()),
            _ => Value::Null,
        },
        _ => {
            let numbers = arguments.iter().filter_map(|argument| match argument.value(scope) {
                Value::Number(number) => Some(number),
                _ => None,
            });
            let extreme = if name == "least" { numbers.min() } else { numbers.max() };
            extreme.map_or(Value::Null, Value::Number)
        }
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Number(Exact),
    Text(String),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 14] = ["<=", ">=", "!=", "<", ">", "=", "+", "-", "*", "/", "(", ")", ",", "%"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let used = if first.is_ascii_digit() {
            let used = length(|c| c.is_ascii_digit() || c == '.' || c == '_');
            tokens.push(Token::Number(Exact::parse(&rest[..used]).map_err(|error| error.to_string())?));
            used
        } else if first.is_ascii_alphabetic() {
            let used = length(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            tokens.push(Token::Word(rest[..used].to_owned()));
            used
        } else if first == '\'' {
            let end = rest[1..].find('\'').ok_or_else(|| format!("a text without end in `{text}`"))?;
            tokens.push(Token::Text(rest[1..=end].to_owned()));
            end + 2
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("`{first}` has no meaning in `{text}`"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

type Read = Result<Formula, String>;

impl Reader {
    fn sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        let Some(Token::Sign(sign)) = self.tokens.get(self.at) else { return None };
        let found = signs.iter().find(|known| *known == sign)?;
        self.at += 1;
        Some(found)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Read {
        let mut left = self.and()?;
        while self.word("or") {
            left = Formula::Binary("or", left.into(), self.and()?.into());
        }
        Ok(left)
    }

    fn and(&mut self) -> Read {
        let mut left = self.not()?;
        while self.word("and") {
            left = Formula::Binary("and", left.into(), self.not()?.into());
        }
        Ok(left)
    }

    fn not(&mut self) -> Read {
        match self.word("not") {
            true => Ok(Formula::Not(self.not()?.into())),
            false => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Read {
        let left = self.sum()?;
        if self.word("is") {
            let negated = self.word("not");
            return match self.word("null") {
                true => Ok(Formula::IsNull(left.into(), negated)),
                false => Err("expected `null` after `is`".to_owned()),
            };
        }
        match self.sign(&["<=", ">=", "!=", "<", ">", "="]) {
            Some(sign) => Ok(Formula::Binary(sign, left.into(), self.sum()?.into())),
            None => Ok(left),
        }
    }

    fn sum(&mut self) -> Read {
        let mut left = self.product()?;
        while let Some(sign) = self.sign(&["+", "-"]) {
            left = Formula::Binary(sign, left.into(), self.product()?.into());
        }
        Ok(left)
    }

    fn product(&mut self) -> Read {
        let mut left = self.atom()?;
        while let Some(sign) = self.sign(&["*", "/"]) {
            left = Formula::Binary(sign, left.into(), self.atom()?.into());
        }
        Ok(left)
    }

    fn atom(&mut self) -> Read {
        if self.sign(&["("]).is_some() {
            let inner = self.or()?;
            return self.sign(&[")"]).map(|_| inner).ok_or_else(|| "expected `)`".to_owned());
        }
        let token = self.tokens.get(self.at).ok_or("unexpected end")?;
        let formula = match token {
            Token::Number(number) => Formula::Value(Value::Number(number.clone())),
            Token::Text(text) => Formula::Value(Value::Text(text.clone())),
            Token::Word(word) => match word.as_str() {
                "null" => Formula::Value(Value::Null),
                "true" | "false" => Formula::Value(Value::Bool(word == "true")),
                _ => Formula::Name(word.clone()),
            },
            Token::Sign(sign) => return Err(format!("unexpected `{sign}`")),
        };
        self.at += 1;
        let Formula::Name(name) = &formula else { return Ok(formula) };
        if self.sign(&["("]).is_none() {
            return Ok(formula);
        }
        let mut arguments = vec![self.or()?];
        while self.sign(&[","]).is_some() {
            arguments.push(self.or()?);
        }
        self.sign(&[")"]).ok_or("expected `)`")?;
        let fits = match name.as_str() {
            "if" => arguments.len() % 2 == 1 && arguments.len() > 2,
            "has" => arguments.len() == 2,
            "ceil" => arguments.len() == 1,
            "coalesce" | "least" | "greatest" => true,
            _ => false,
        };
        match fits {
            true => Ok(Formula::Call(name.clone(), arguments)),
            false => Err(format!("no function `{name}` of {} arguments", arguments.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_numbers_are_numbers() {
        for (text, expected) in [
            ("1.369863 (= 1000 GB / 730 h)", Some("1.369863")),
            ("30,000,000", Some("30000000")),
            ("1,234.5", Some("1234.5")),
            ("50%", Some("0.5")),
            ("$0.20", Some("0.2")),
            ("20:1", None),
            ("1,5", None),
            ("t3.medium", None),
            ("2012-01-01T00:00:00", None),
            ("2x", None),
        ] {
            assert_eq!(number(text), expected.map(|number| Exact::parse(number).unwrap()), "{text}");
        }
    }

    #[test]
    fn formulas_are_what_they_say() {
        let json = serde_json::json!({"a": 6, "b": "4", "nested": {"c": "2"}, "word": "Multi-Region"});
        let Value::Object(names) = Value::of(&json) else { unreachable!() };
        let scope = Scope { layers: vec![("".to_owned(), &names)], read: RefCell::default() };
        for (text, expected) in [
            ("a + b * nested.c", "14"),
            ("(a - b) / nested.c", "1"),
            ("if(a < b, 1, has(word, 'single|multi'), 2, 3)", "2"),
            ("coalesce(missing, missing * 2, 5)", "5"),
            ("if(missing is null and not a = b, 7, 8)", "7"),
            ("ceil(a / b)", "2"),
            ("greatest(a, b, missing) - least(a, b)", "2"),
        ] {
            let value = Formula::parse(text).unwrap().value(&scope);
            assert_eq!(value, Value::Number(Exact::parse(expected).unwrap()), "{text}");
        }
        for wrong in ["a +", "f(a)", "if(a, b)", "'open", "a b", "a is b", "(a"] {
            assert!(Formula::parse(wrong).is_err(), "{wrong}");
        }
        assert!(scope.read.borrow().contains("nested.c"));
    }
}
