/**
 * The services behind document-approval.yaml. All that they do is to write small files under out/document-approval, which stand
 * for a ticket system, an inbox and a web site.
 */
import { copyFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FatalError } from "perdure";

/** What handlers of this file use of their context. */
interface Context {
  readonly workflowId: string;
  readonly upstream: Readonly<Record<string, unknown>>;
}

interface Ticket {
  readonly ticket: string;
}

/** A reviewer's answer: `{"by": "ada"}`, or `{"by": "ada", "approved": false}`. */
interface Answer {
  readonly by?: string;
  readonly approved?: boolean;
}

const OUT = resolve("out/document-approval");

export const activities = {
  /** Opens a ticket for the document. */
  "doc-service/submit_for_review": async (input: { document?: string; priority: string }, ctx: Context) => {
    const { document, priority } = input;
    if (!document) throw new FatalError("no document was named; start with --input document=FILE");
    const text = await readFile(document, "utf8").catch((cause: unknown) => {
      throw new FatalError(`${document} cannot be read`, { cause });
    });
    const ticket = join(OUT, "tickets", `${ctx.workflowId}.txt`);
    await write(ticket, `document: ${resolve(document)}\npriority: ${priority}\nwords: ${text.split(/\s+/).length}\n`);
    return { ticket, words: text.split(/\s+/).length };
  },

  /** Puts a note into the reviewers' inbox. */
  "notification-service/send_review_notifications": async (_input: unknown, ctx: Context) => {
    const { ticket } = ctx.upstream.submit as Ticket;
    const note = join(OUT, "inbox", `${ctx.workflowId}-review.txt`);
    await write(note, `Please review ${ticket}\nand answer with the signal document_approved.\n`);
    return { note };
  },

  /** Puts a note into the manager's inbox. */
  "doc-service/escalate_to_manager": async ({ ticket }: Ticket, ctx: Context) => {
    const note = join(OUT, "inbox", `${ctx.workflowId}-manager.txt`);
    await write(note, `Nobody has reviewed ${ticket}\nPlease answer with the signal escalated_approval.\n`);
    return { note };
  },

  /** Copies the document to the published ones. */
  "doc-service/publish": async (input: Ticket & { document: string; approved_by: string }) => {
    const file = join(OUT, "published", basename(input.document));
    await mkdir(join(file, ".."), { recursive: true });
    await copyFile(input.document, `${file}.tmp`);
    await rename(`${file}.tmp`, file);
    return { file, approved_by: input.approved_by };
  },
};

export const agents = {
  /** Reads the answer of the branch that was taken: that of the reviewer, or that of the manager. */
  decider: (_input: unknown, ctx: Context) => {
    const { wait_for_approval, wait_escalated } = ctx.upstream as Record<string, Answer | null | undefined>;
    const escalated = wait_for_approval === undefined;
    const answer = wait_for_approval ?? wait_escalated;
    return { approved: answer?.approved ?? true, by: answer?.by ?? "somebody", escalated };
  },
};

async function write(file: string, text: string): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, text);
}
