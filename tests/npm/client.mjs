// The vendor's client with nothing changed but baseURL and key, through every call that it has for runs and schedules; prints one JSON line for each.
// node client.mjs URL, with the key in OZF_API_KEY.
import OzAPI from 'oz-agent-sdk';

const client = new OzAPI({ baseURL: `${process.argv[2]}/api/v1`, apiKey: process.env.OZF_API_KEY, maxRetries: 0 });
const say = (what, answer) => console.log(JSON.stringify({ what, answer }));

async function fails(what, call) {
  try {
    await call;
    say(what, null);
  } catch (error) {
    say(what, { name: error.constructor.name, status: error.status, code: error.error?.type, detail: error.error?.detail, faults: error.error?.faults?.map(fault => fault.path) });
  }
}

const first = await client.agent.run({
  prompt: 'fake:pr https://example.com/pull/1 fix; say done',
  title: 'From the client',
  team: true,
  config: {
    name: 'nightly', model_id: 'auto', environment_id: 'env-1', worker_host: '', computer_use_enabled: false,
    mcp_servers: { docs: { url: 'https://example.com/mcp' }, known: { warp_id: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff' } },
  },
});
say('run', first);

let run;
do {
  await new Promise(go => setTimeout(go, 100));
  run = await client.agent.runs.retrieve(first.run_id);
} while (['QUEUED', 'CLAIMED', 'INPROGRESS'].includes(run.state));
say('retrieve', run);

const waiting = await client.agent.run({ prompt: 'fake:hang', config: { worker_host: 'nobody' } });
say('list', await client.agent.runs.list({ state: ['SUCCEEDED', 'QUEUED'], limit: 1, name: undefined, created_after: '2020-01-01T00:00:00Z' }));
const page = await client.agent.runs.list({ limit: 1 });
say('next page', await client.agent.runs.list({ limit: 1, cursor: page.page_info.next_cursor }));
say('filtered', await client.agent.runs.list({ name: 'nightly', model_id: 'auto', environment_id: 'env-1', source: 'API', q: 'client', artifact_type: 'PULL_REQUEST' }));
say('cancel', await client.agent.runs.cancel(waiting.run_id));
await fails('cancel again', client.agent.runs.cancel(waiting.run_id));
await fails('no such run', client.agent.runs.retrieve('01980000-0000-7000-8000-000000000000'));
await fails('no prompt', client.agent.run({}));
await fails('images', client.agent.run({ prompt: 'p', images: [{ data: 'AA==', mime_type: 'image/png' }] }));
await fails('wrong key', new OzAPI({ baseURL: `${process.argv[2]}/api/v1`, apiKey: 'a-key-that-nobody-knows', maxRetries: 0 }).agent.runs.list());

const { schedules } = client.agent;
const nightly = await schedules.create({
  name: 'Nightly fixes', cron_schedule: '0 6 * * 1-5', prompt: 'fix what broke', team: true,
  agent_config: { model_id: 'auto', environment_id: 'env-1', worker_host: 'nobody' },
});
say('schedule create', nightly);
say('schedule created off', await schedules.create({ name: 'Off', cron_schedule: '@daily', prompt: 'p', enabled: false }));
say('schedule retrieve', await schedules.retrieve(nightly.id));
say('schedule list', await schedules.list());
say('schedule update', await schedules.update(nightly.id, { name: 'Weekly fixes', cron_schedule: '0 7 * * mon', prompt: 'fix it all', enabled: true }));
say('schedule pause', await schedules.pause(nightly.id));
say('schedule resume', await schedules.resume(nightly.id));
await fails('schedule twice', schedules.create({ name: 'Nightly fixes', cron_schedule: '@daily', prompt: 'p' }));
await fails('schedule nonsense', schedules.create({ name: 'Nonsense', cron_schedule: '61 * * * *', prompt: 'p' }));
say('schedule delete', await schedules.delete(nightly.id));
await fails('schedule gone', schedules.retrieve(nightly.id));
await fails('schedule gone twice', schedules.delete(nightly.id));
say('schedule left', await schedules.list());
