//! Which function a log is of: by its log group, its log stream, an ARN, or the path of an export.

/// What the path of a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OfPath {
    /// Log group.
    pub(super) group: Option<String>,
    /// Log stream.
    pub(super) stream: Option<String>,
}

/// Reads the path of an object that CloudWatch Logs exported to S3: `<prefix>/<task>/<stream>/000000.gz`, where the
/// slashes of the stream are dashes. The log group is in no such path unless the prefix was chosen to have it, as in
/// `exports/aws/lambda/resize`.
pub(super) fn of_path(name: &str) -> OfPath {
    let parts: Vec<_> = name
        .split(['/', '\\'])
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let Some((folder, before)) = parts.split_last().and_then(|(_, folders)| folders.split_last()) else {
        return OfPath::default();
    };
    let Some(stream) = exported_stream(folder) else { return OfPath::default() };
    let group = before.windows(3).find_map(|window| match window {
        [aws, lambda, function] if aws == "aws" && lambda == "lambda" => Some(format!("/aws/lambda/{function}")),
        _ => None,
    });
    OfPath { group, stream: Some(stream) }
}

/// `2024-02-13-[$LATEST]abc` is the stream `2024/02/13/[$LATEST]abc`; a function name before the bracket keeps its
/// dashes.
fn exported_stream(folder: &str) -> Option<String> {
    let day = folder.get(..11)?;
    let dated = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 | 10 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let rest = &folder[11..];
    let (_, behind) = rest.split_once('[')?;
    (dated && behind.contains(']')).then(|| format!("{}{rest}", day.replace('-', "/")))
}

/// Function and version of a log stream: `2023/06/02/[72]c07f…`, or `2023/06/02/resize[72]c07f…` in a log group that
/// several functions share.
pub(super) fn stream_parts(stream: &str) -> (Option<&str>, Option<&str>) {
    let Some((before, rest)) = stream.split_once('[') else { return (None, None) };
    let version = rest.split_once(']').map(|(version, _)| version);
    let function = before.splitn(4, '/').nth(3).filter(|name| !name.is_empty());
    (function, version)
}

/// `arn:aws:lambda:<region>:<account>:function:<function>[:<version>]`.
pub(super) struct FunctionArn<'a> {
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) function: &'a str,
}

impl<'a> FunctionArn<'a> {
    pub(super) fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.split(':');
        let named = parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("lambda");
        let (region, account) = (parts.next()?, parts.next()?);
        let function = (parts.next() == Some("function")).then(|| parts.next()).flatten()?;
        named.then_some(FunctionArn { region, account, function })
    }
}

#[cfg(test)]
mod tests {
    use super::{OfPath, of_path};

    #[test]
    fn exports_have_the_stream_in_their_path() {
        let of = |group: Option<&str>, stream: Option<&str>| OfPath {
            group: group.map(str::to_owned),
            stream: stream.map(str::to_owned),
        };
        let stream = Some("2024/02/13/[$LATEST]abc");
        for (path, expected) in [
            ("prefix/0b1e7a52-93c4/2024-02-13-[$LATEST]abc/000000.gz", of(None, stream)),
            ("2024-02-13-[$LATEST]abc/000000.gz", of(None, stream)),
            ("x\\2024-02-13-%5B$LATEST%5Dabc\\000000", of(None, stream)),
            ("s3/aws/lambda/a-b/0b1e/2024-02-13-[$LATEST]abc/000000.gz", of(Some("/aws/lambda/a-b"), stream)),
            ("t/2024-02-13-web-api[7]abc/000000.gz", of(None, Some("2024/02/13/web-api[7]abc"))),
            ("aws/lambda/f/000000.gz", of(None, None)),
            ("t/2024-02-13/000000.gz", of(None, None)),
            ("t/2024-02-13-x]y[/000000.gz", of(None, None)),
            ("t/2024-02-1é-[1]x/000000.gz", of(None, None)),
            ("000000.gz", of(None, None)),
            ("", of(None, None)),
        ] {
            assert_eq!(of_path(path), expected, "{path}");
        }
    }
}
