// Sends deliveries signed by the senders' own libraries; prints one JSON line for each: what was sent, status, answer.
// node webhooks.mjs URL, with the secrets in GITHUB_WEBHOOK_SECRET, BUILD_SECRET and GRID_TOKEN.
import { sign } from '@octokit/webhooks-methods';
import { CloudEvent, HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';

const root = process.argv[2];
const github = process.env.GITHUB_WEBHOOK_SECRET;
const standard = new Webhook(process.env.BUILD_SECRET);

async function send(what, name, headers, body) {
  const response = await fetch(`${root}/api/v1/webhooks/${name}`, { method: 'POST', headers, body });
  const text = await response.text();
  console.log(JSON.stringify({ what, status: response.status, answer: text === '' ? null : JSON.parse(text) }));
}

const issue = JSON.stringify({
  action: 'labeled',
  label: { name: 'oz-agent' },
  issue: { number: 7, title: 'Login fails: ü 漢字 😀', state: 'open', author_association: 'MEMBER', user: { login: 'octocat' } },
  sender: { login: 'octocat', type: 'User' },
});
const fromGitHub = async (id, body, signed = body) => ({
  'Content-Type': 'application/json',
  'X-GitHub-Event': 'issues',
  'X-GitHub-Delivery': id,
  'X-Hub-Signature-256': await sign(github, signed),
});
await send('octokit', 'issues', await fromGitHub('one', issue), issue);
await send('octokit, again', 'issues', await fromGitHub('one', issue), issue);
await send('octokit, recorded and sent under another id', 'issues', await fromGitHub('three', issue), issue);
await send('octokit, tampered', 'issues', await fromGitHub('two', issue, issue.replace('7', '8')), issue);

const build = JSON.stringify({ type: 'build.failed', data: { build: 312 } });
const fromStandard = (id, at, body = build) => ({
  'Content-Type': 'application/json',
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(at / 1000)),
  'webhook-signature': standard.sign(id, new Date(at), body),
});
const now = Date.now();
await send('standardwebhooks', 'build', fromStandard('msg_1', now), build);
await send('standardwebhooks, again', 'build', fromStandard('msg_1', now), build);
await send('standardwebhooks, tampered', 'build', fromStandard('msg_2', now, '{}'), build);
await send('standardwebhooks, stale', 'build', fromStandard('msg_3', now - 6 * 60_000), build);
await send('standardwebhooks, future', 'build', fromStandard('msg_4', now + 6 * 60_000), build);
await send('standardwebhooks, other id', 'build', { ...fromStandard('msg_5', now), 'webhook-id': 'msg_6' }, build);

const event = new CloudEvent({ id: 'e-1', source: '/shop', type: 'shop.order.stuck', data: { order: 99 } });
for (const [what, message] of [['structured', HTTP.structured(event)], ['binary', HTTP.binary(event)]]) {
  await send(`cloudevents, ${what}`, 'grid', { ...message.headers, Authorization: `Bearer ${process.env.GRID_TOKEN}` }, message.body);
}
