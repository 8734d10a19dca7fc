// One thing that people do with jsforce, named on the command line; arguments and result are JSON on stdin and stdout.
import jsforce from 'jsforce';
import { readFileSync } from 'node:fs';

const { org, args } = JSON.parse(readFileSync(0, 'utf8'));
const version = args.version ?? '62.0';

const connect = () =>
  new jsforce.Connection({ instanceUrl: org.instance_url, accessToken: org.access_token, version });

const scenarios = {
  async query(conn, { soql, fetch }) {
    return (await conn.query(soql, { autoFetch: true, maxFetch: fetch })).records;
  },

  async update(conn, { object, records }) {
    return conn.sobject(object).update(records, { allowRecursive: true });
  },

  async bulk_query(conn, { soql }) {
    return (await conn.bulk2.query(soql)).toArray();
  },

  async bulk_ingest(conn, { object, operation, records, externalIdFieldName }) {
    return conn.bulk2.loadAndWaitForResults({
      object, operation, externalIdFieldName, input: records, pollInterval: 50, pollTimeout: 20000,
    });
  },

  async older_bulk(conn, { object, records, soql }) {
    conn.bulk.pollInterval = 50;
    const written = await conn.bulk.load(object, 'update', records);
    const read = await (await conn.bulk.query(soql)).toArray();
    return { written, read };
  },

  async sign_in(_, { loginUrl }) {
    const oauth2 = { loginUrl, clientId: org.client_id, clientSecret: org.client_secret };
    const conn = new jsforce.Connection({ oauth2, version });
    const user = await conn.authorize({ grant_type: 'client_credentials' });
    const identity = await conn.identity();
    return { user, identity, instanceUrl: conn.instanceUrl };
  },

  async soap_login(_, { loginUrl }) {
    const conn = new jsforce.Connection({ loginUrl, version, logLevel: 'NONE' });
    const user = await conn.login(org.username, org.client_secret);
    return { user, limits: Object.keys(await conn.limits()) };
  },

  async records(conn, { object, record }) {
    const sobject = conn.sobject(object);
    const created = await sobject.create(record);
    const updated = await sobject.update({ Id: created.id, Title: 'Editor' });
    const read = await sobject.retrieve(created.id);
    const upserted = await sobject.upsert({ Email: record.Email, Title: 'Buyer' }, 'Email');
    const several = await sobject.retrieve([created.id]);
    const destroyed = await sobject.destroy(created.id);
    return { created, updated, read, upserted, several, destroyed };
  },

  async many(conn, { object, records }) {
    const options = { allowRecursive: true };
    const sobject = conn.sobject(object);
    const created = await sobject.create(records, options);
    const upserted = await sobject.upsert(records, 'Email', options);
    const destroyed = await sobject.destroy(created.map((result) => result.id), options);
    return { created, upserted, destroyed };
  },

  async about(conn, { object, start, end }) {
    const described = await conn.describe(object);
    const global = await conn.describeGlobal();
    await conn.limits();
    return {
      fields: described.fields.map((field) => field.name),
      objects: global.sobjects.map((known) => known.name),
      usage: conn.limitInfo.apiUsage,
      updated: await conn.sobject(object).updated(start, end),
      deleted: await conn.sobject(object).deleted(start, end),
      recent: await conn.recent(object),
      identity: (await conn.identity()).username,
    };
  },

  async composite(conn, { compositeRequest }) {
    return conn.requestPost('/composite', { allOrNone: true, compositeRequest });
  },
};

try {
  const result = await scenarios[process.argv[2]](connect(), args);
  process.stdout.write(JSON.stringify({ result }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error.errorCode ?? error.name, message: error.message }));
}
