//! Text of an expression to its tree
use super::{Binary, DEPTH_MAX, ExpressionError, Function, Node, TEXT_BYTES_MAX};
use crate::{exact::Exact, nearest::did_you_mean_or, unit::Unit};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number { value: Exact, unit: Option<Unit> },
    Text(String),
    Word(String),
    Symbol(&'static str),
}

/// Symbols, longer ones first.
const SYMBOLS: [&str; 14] = ["<=", ">=", "!=", "-", "+", "*", "/", "(", ")", ",", "=", "<", ">", "%"];

/// Reads a whole expression.
///
/// # Errors
/// When the text does not follow the grammar, or is too large.
pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExpressionError::TooLarge);
    }
    let mut parser = Parser { text, tokens: tokens(text)?, position: 0, depth: 0 };
    let node = parser.disjunction()?;
    match parser.tokens.get(parser.position) {
        None => Ok(node),
        Some(token) => Err(parser.error(format!("unexpected {}", shown(token)))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number { value, unit } => format!("`{value}{}`", unit.as_ref().map_or("", Unit::text)),
        Token::Text(text) => format!("'{text}'"),
        Token::Word(word) => format!("`{word}`"),
        Token::Symbol(symbol) => format!("`{symbol}`"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let syntax = |message: String| ExpressionError::Syntax { message, text: text.to_owned(), hint: None };
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if first.is_ascii_digit() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
            let after = &rest[end..];
            let unit_length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            if after.starts_with('.') {
                return Err(syntax("a number with a point (numbers are integers; use `scale` or a unit)".to_owned()));
            }
            let value = Exact::parse(&rest[..end]).map_err(|error| syntax(error.to_string()))?;
            let unit = match unit_length {
                0 => None,
                _ => Some(Unit::parse(&after[..unit_length]).map_err(|error| ExpressionError::Syntax {
                    message: error.to_string(),
                    text: text.to_owned(),
                    hint: error.hint(),
                })?),
            };
            tokens.push(Token::Number { value, unit });
            length = end + unit_length;
        } else if first == '\'' {
            let end = rest[1..].find('\'').ok_or_else(|| syntax("text without closing quote".to_owned()))?;
            tokens.push(Token::Text(rest[1..=end].to_owned()));
            length = end + 2;
        } else if first.is_ascii_alphabetic() || first == '_' {
            length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            length = symbol.len();
        } else {
            return Err(syntax(format!("unexpected character `{first}`")));
        }
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    position: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, message: String) -> ExpressionError {
        ExpressionError::Syntax { message, text: self.text.to_owned(), hint: None }
    }

    /// Takes the next token when it is the symbol or keyword.
    fn take(&mut self, wanted: &str) -> bool {
        let found = match self.tokens.get(self.position) {
            Some(Token::Symbol(symbol)) => *symbol == wanted,
            Some(Token::Word(word)) => word == wanted,
            _ => false,
        };
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ExpressionError> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err(self.error(format!("expected `{wanted}`"))),
        }
    }

    fn disjunction(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ExpressionError::TooLarge);
        }
        let node = self.chain(&[("or", Binary::Or)], |parser| parser.chain(&[("and", Binary::And)], Self::negation));
        self.depth -= 1;
        node
    }

    /// Operands joined by operators of one rank, from the left.
    fn chain(
        &mut self,
        operators: &[(&str, Binary)],
        operand: fn(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        let mut left = operand(self)?;
        let mut length = 0;
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.take(symbol)) {
            length += 1;
            if length > DEPTH_MAX {
                return Err(ExpressionError::TooLarge);
            }
            let right = operand(self)?;
            left = Node::Binary { operator: *operator, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Node, ExpressionError> {
        let mut negated = false;
        while self.take("not") {
            negated = !negated;
        }
        let node = self.comparison()?;
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn comparison(&mut self) -> Result<Node, ExpressionError> {
        let left = Box::new(self.sum()?);
        for (symbol, operator) in [
            ("<=", Binary::LessOrEqual),
            (">=", Binary::GreaterOrEqual),
            ("!=", Binary::NotEqual),
            ("=", Binary::Equal),
            ("<", Binary::Less),
            (">", Binary::Greater),
        ] {
            if self.take(symbol) {
                return Ok(Node::Binary { operator, left, right: Box::new(self.sum()?) });
            }
        }
        if self.take("is") {
            let negated = self.take("not");
            self.expect("null")?;
            return Ok(Node::IsNull { node: left, negated });
        }
        if self.take("in") {
            self.expect("(")?;
            let mut items = vec![self.atom()?];
            while self.take(",") {
                items.push(self.atom()?);
            }
            self.expect(")")?;
            return Ok(Node::In { node: left, items });
        }
        Ok(*left)
    }

    fn sum(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[("+", Binary::Add), ("-", Binary::Subtract)], |parser| {
            let product = parser.chain(&[("*", Binary::Multiply)], Self::atom)?;
            match parser.take("/") || parser.take("%") {
                true => Err(parser.error("division is not allowed (use `ceil_div`, or a unit)".to_owned())),
                false => Ok(product),
            }
        })
    }

    fn atom(&mut self) -> Result<Node, ExpressionError> {
        let Some(token) = self.tokens.get(self.position).cloned() else {
            return Err(self.error("unexpected end".to_owned()));
        };
        self.position += 1;
        match token {
            Token::Number { value, unit } => Ok(Node::Literal { value, unit, value_type: None }),
            Token::Text(text) => Ok(Node::Text(text)),
            Token::Symbol("(") => {
                let node = self.disjunction()?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Symbol("-") => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(ExpressionError::TooLarge);
                }
                let node = self.atom()?;
                self.depth -= 1;
                Ok(Node::Negate(Box::new(node)))
            }
            Token::Word(word) if word == "null" => Ok(Node::Null),
            Token::Word(word) if self.take("(") => self.call(&word),
            Token::Word(word) if ["and", "or", "not", "is", "in"].contains(&word.as_str()) => {
                Err(self.error(format!("unexpected `{word}`")))
            }
            Token::Word(word) => Ok(Node::Column(word)),
            Token::Symbol(_) => Err(self.error(format!("unexpected {}", shown(&token)))),
        }
    }

    fn call(&mut self, name: &str) -> Result<Node, ExpressionError> {
        let mut arguments = vec![self.disjunction()?];
        while self.take(",") {
            arguments.push(self.disjunction()?);
        }
        self.expect(")")?;
        let Some(function) = Function::ALL.into_iter().find(|function| function.name() == name) else {
            let hint = did_you_mean_or(name, Function::ALL.map(Function::name));
            return Err(ExpressionError::Syntax {
                message: format!("no function `{name}`"),
                text: self.text.to_owned(),
                hint,
            });
        };
        let fits = match function {
            Function::CeilTo | Function::CeilDiv | Function::FloorTo => arguments.len() == 2,
            Function::Greatest | Function::Least | Function::Coalesce => true,
            Function::If => !arguments.len().is_multiple_of(2) && arguments.len() >= 3,
        };
        match fits {
            true => Ok(Node::Call { function, arguments }),
            false => Err(self.error(format!("`{name}` with {} arguments", arguments.len()))),
        }
    }
}
