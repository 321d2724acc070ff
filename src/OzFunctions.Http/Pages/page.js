'use strict';
// Everything that comes from a run is put in as text, never as markup.
const $ = id => document.getElementById(id);
// Where the page is: behind a proxy it may have a path of its own.
const api = new URL('api/v1', document.baseURI).pathname;
let key = sessionStorage.getItem('ozf-key') || '';
let cursor = '', chosen = null, following = null, timer = 0;

function el(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function call(path, options = {}) {
  const answer = await fetch(api + path, { ...options, headers: { Authorization: 'Bearer ' + key, ...options.headers } });
  if (answer.status === 401) { lock('That key is not known here.'); throw new Error('locked'); }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail || 'The front door answered ' + answer.status + '.');
  }
  return answer;
}

function trouble(text) { $('trouble').textContent = text || ''; }

function lock(text) {
  clearTimeout(timer);
  key = '';
  sessionStorage.removeItem('ozf-key');
  close();
  $('locked').hidden = false;
  $('runs').hidden = $('forget').hidden = true;
  $('workers').textContent = '';
  trouble(text);
  $('key').focus();
}

function unlock() {
  $('locked').hidden = true;
  $('runs').hidden = $('forget').hidden = false;
  refresh();
}

const ago = time => {
  const s = Math.max(0, (Date.now() - new Date(time)) / 1000);
  return s < 60 ? Math.floor(s) + ' s ago' : s < 3600 ? Math.floor(s / 60) + ' min ago' : s < 86400 ? Math.floor(s / 3600) + ' h ago' : new Date(time).toISOString().slice(0, 16).replace('T', ' ');
};

const took = run => {
  if (!run.started_at) return '';
  const s = Math.max(0, (new Date(run.finished_at || Date.now()) - new Date(run.started_at)) / 1000);
  return s < 60 ? s.toFixed(1) + ' s' : s < 3600 ? Math.floor(s / 60) + ' min ' + Math.floor(s % 60) + ' s' : Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
};

async function refresh() {
  clearTimeout(timer);
  try {
    const query = new URLSearchParams({ limit: '50' });
    if ($('state').value) query.set('state', $('state').value);
    if ($('search').value.trim()) query.set('q', $('search').value.trim());
    if (cursor) query.set('cursor', cursor);
    const [page, workers] = await Promise.all([call('/agent/runs?' + query).then(a => a.json()), call('/workers').then(a => a.json())]);
    showWorkers(workers.workers);
    $('list').replaceChildren(...page.runs.map(row));
    $('none').hidden = page.runs.length > 0;
    $('none').textContent = page.page_info.has_next_page ? 'None among these; there may be some further on: Older.' : 'No runs.';
    $('more').hidden = !page.page_info.has_next_page;
    $('more').dataset.cursor = page.page_info.next_cursor || '';
    $('newest').hidden = !cursor;
    trouble('');
  } catch (error) {
    if (key) trouble(error.message);
  }
  if (key) timer = setTimeout(refresh, document.hidden ? 30000 : 3000);
}

function showWorkers(workers) {
  $('workers').textContent = workers.map(worker => {
    const alive = worker.hosts.filter(host => host.alive);
    const idle = alive.find(host => host.not_ready);
    return worker.worker_id + ': ' + (worker.paused ? 'paused' : alive.length === 0 ? 'no host' : alive.length === 1 ? '1 host' : alive.length + ' hosts') + (idle ? ' (' + idle.not_ready + ')' : '');
  }).join(' · ');
}

function row(run) {
  const tr = el('tr');
  tr.tabIndex = 0;
  tr.dataset.id = run.run_id;
  if (run.run_id === chosen) tr.className = 'chosen';
  tr.append(el('td', run.state, 'state ' + run.state), el('td', run.title), el('td', run.worker_id), el('td', run.asked_by || run.trigger.kind), el('td', ago(run.created_at)), el('td', took(run)));
  tr.title = run.title;
  return tr;
}

async function open(id) {
  close();
  chosen = id;
  $('run').hidden = false;
  $('log').replaceChildren();
  for (const tr of $('list').children) tr.classList.toggle('chosen', tr.dataset.id === id);
  await show(id);
  follow(id);
}

async function show(id) {
  try {
    const run = await call('/agent/runs/' + id).then(a => a.json());
    if (chosen !== id) return;
    const attempt = run.attempts[run.attempts.length - 1] || {};
    $('title').textContent = run.title;
    $('badge').textContent = run.state;
    $('badge').className = 'state ' + run.state;
    $('cancel').hidden = !['QUEUED', 'CLAIMED', 'INPROGRESS'].includes(run.state) || Boolean(run.cancel);
    const facts = { Run: run.run_id, Reason: run.reason, Message: run.message, 'Waits for': run.waiting_for, Attempt: run.attempt || '', Host: attempt.host, Exit: attempt.exit_code, Took: took(run), Cancel: run.cancel && 'asked by ' + run.cancel.by };
    $('facts').replaceChildren(...Object.entries(facts).filter(fact => fact[1] !== undefined && fact[1] !== '' && fact[1] !== null).map(fact => {
      const div = el('div');
      div.append(el('dt', fact[0]), el('dd', String(fact[1])));
      return div;
    }));
    for (const pull of attempt.pull_requests || []) $('facts').append(link('Pull request', pull.url));
    $('files').replaceChildren(...run.artifacts.filter(artifact => artifact.artifact_type === 'FILE').map(artifact => {
      const button = el('button', artifact.data.filepath + ' (' + artifact.data.size_bytes + ' B)');
      button.type = 'button';
      button.addEventListener('click', () => download(artifact.data));
      const item = el('li');
      item.append(button);
      return item;
    }));
  } catch (error) { if (key) trouble(error.message); }
}

function link(name, url) {
  const div = el('div'), dd = el('dd'), a = el('a', url);
  // An agent chose it: only the web's own addresses become links.
  if (/^https?:\/\//i.test(url)) { a.href = url; a.rel = 'noopener noreferrer'; a.target = '_blank'; }
  dd.append(a);
  div.append(el('dt', name), dd);
  return div;
}

async function download(file) {
  try {
    const artifact = await call('/agent/artifacts/' + encodeURIComponent(file.artifact_uid)).then(a => a.json());
    const url = new URL(artifact.data.download_url);
    const content = await call(url.pathname.slice(url.pathname.indexOf('/api/v1') + '/api/v1'.length) + url.search).then(a => a.blob());
    const a = el('a');
    a.href = URL.createObjectURL(content);
    a.download = file.filename;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 60000);
  } catch (error) { if (key) trouble(error.message); }
}

// EventSource cannot send a key: the stream is read by hand, and goes on after the last event when the way fails.
async function follow(id) {
  let last = '';
  const stop = following = new AbortController();
  while (!stop.signal.aborted) {
    try {
      const answer = await call('/agent/runs/' + id + '/log', { signal: stop.signal, headers: { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) } });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const events = (rest + value).split('\n\n');
        rest = events.pop();
        for (const event of events) {
          const fields = Object.fromEntries(event.split('\n').filter(line => line && line[0] !== ':').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
          if (fields.event === 'end') { show(id); return; }
          if (fields.id) last = fields.id;
          if (fields.data) line(fields.data);
        }
        if (events.length) show.soon = show.soon || setTimeout(() => { show.soon = 0; if (chosen === id) show(id); }, 1000);
      }
    } catch (error) {
      if (stop.signal.aborted || !key) return;
      trouble(error.message);
    }
    await new Promise(go => setTimeout(go, 1000));
  }
}

// The agent's own lines are JSON: what they say is shown, what is unknown stays as it is.
function shown(text) {
  if (text[0] !== '{') return text;
  try {
    const said = JSON.parse(text);
    switch (said.type) {
      case 'agent': case 'agent_reasoning': return said.text ?? text;
      case 'tool_call': return '> ' + said.tool;
      case 'tool_result': return '< ' + said.tool;
      case 'system': return said.event_type + (said.run_url ? ' ' + said.run_url : '');
    }
  } catch { /* Not JSON after all. */ }
  return text;
}

function line(json) {
  let stored;
  try { stored = JSON.parse(json); } catch { stored = { s: 'host', m: json }; }
  const log = $('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const text = stored.cut ? '… ' + stored.cut.lines + ' lines are left out here …' : stored.s === 'out' && !stored.c ? shown(stored.m || '') : (stored.m || '');
  log.append(el('span', (['out', 'err'].includes(stored.s) ? '' : '[' + stored.s + '] ') + text + (stored.c ? '' : '\n'), ['host', 'setup', 'teardown', 'err'].includes(stored.s) ? stored.s : ''));
  while (log.childElementCount > 5000) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function close() {
  if (following) following.abort();
  following = chosen = null;
  $('run').hidden = true;
  for (const tr of $('list').children) tr.classList.remove('chosen');
}

async function cancel() {
  if (!confirm('Cancel this run?')) return;
  try {
    await call('/agent/runs/' + chosen + '/cancel', { method: 'POST' });
    show(chosen);
    refresh();
  } catch (error) { if (key) trouble(error.message); }
}

$('open').addEventListener('click', () => { key = $('key').value.trim(); $('key').value = ''; if (key) { sessionStorage.setItem('ozf-key', key); unlock(); } });
$('key').addEventListener('keydown', event => { if (event.key === 'Enter') $('open').click(); });
$('forget').addEventListener('click', () => lock(''));
$('state').addEventListener('change', () => { cursor = ''; refresh(); });
$('search').addEventListener('input', () => { cursor = ''; clearTimeout(timer); timer = setTimeout(refresh, 300); });
$('more').addEventListener('click', () => { cursor = $('more').dataset.cursor; refresh(); });
$('newest').addEventListener('click', () => { cursor = ''; refresh(); });
$('list').addEventListener('click', event => { const tr = event.target.closest('tr'); if (tr) open(tr.dataset.id); });
$('list').addEventListener('keydown', event => { if (event.key === 'Enter') event.target.click(); });
$('cancel').addEventListener('click', cancel);
$('close').addEventListener('click', close);
if (key) unlock(); else lock('');
