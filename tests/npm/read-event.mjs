// A receiver of events that knows nothing of OzFunctions: verifies by standardwebhooks, parses by cloudevents, prints what it understood.
// read-event.mjs FILE SECRET; the file holds {headers, body}.
import { readFileSync } from "node:fs";
import { HTTP } from "cloudevents";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const [file, secret] = process.argv.slice(2);
const { headers, body } = JSON.parse(readFileSync(file, "utf8"));

try {
    new Webhook(secret).verify(body, headers);
} catch (error) {
    if (error instanceof WebhookVerificationError) {
        console.error(error.message);
        process.exit(3);
    }

    throw error;
}

const event = HTTP.toEvent({ headers, body });
event.validate();
console.log(JSON.stringify({ id: event.id, source: event.source, type: event.type, subject: event.subject, time: event.time, state: event.data.state, run: event.data.run_id }));
