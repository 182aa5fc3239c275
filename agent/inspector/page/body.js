// How the bytes of a body are shown. Pure: strings in, strings out. ASCII only, as it is compiled in.

const MOST_DEPTH = 200;

/** Indents JSON without reading its values, so that no number and no escape is shown otherwise than it came.
 *  null when it is not JSON, or nested so deep that the blanks would be most of it: they grow with the square of the depth. */
export function prettyJson(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  let depth = 0;
  let out = "";
  for (const [at, token] of tokens.entries()) {
    if (depth > MOST_DEPTH) return null;
    const open = token === "{" || token === "[";
    const close = token === "}" || token === "]";
    const before = tokens[at - 1];
    const isEmpty = close && (before === "{" || before === "[");
    if (close) depth -= 1;
    if ((close && !isEmpty) || (!close && (before === "{" || before === "[" || before === ","))) {
      out += "\n" + "  ".repeat(depth);
    }
    out += token === ":" ? ": " : token;
    if (open) depth += 1;
  }
  return out;
}

/** Offset, 16 bytes, and the same as ASCII. */
export function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Array.from(bytes.subarray(at, at + 16));
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

export function bytesOf(body) {
  if (body.base64 === undefined) return new TextEncoder().encode(body.text);
  return Uint8Array.from(atob(body.base64), (char) => char.charCodeAt(0));
}

export function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** The ways to look at a body, the best first: [{name, text}]. */
export function viewsOf(body) {
  const views = [];
  if (body.text !== undefined) {
    const pretty = prettyJson(body.text);
    if (pretty !== null) views.push({ name: "JSON", text: pretty });
    views.push({ name: "Text", text: body.text });
  }
  views.push({ name: "Hex", text: hexDump(bytesOf(body)) });
  return views;
}
