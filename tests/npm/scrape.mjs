// Reads Prometheus text from stdin with a parser that is not ours; prints it as JSON.
import parse from 'parse-prometheus-text-format';

let text = '';
for await (const chunk of process.stdin) {
  text += chunk;
}

process.stdout.write(JSON.stringify(parse(text)));
