import { expect, test } from "vitest";
import { repository, resource, session, stats } from "../../testing/fake-cluster.ts";
import { renderList, renderRecord } from "./render.ts";
import { REPOSITORY_COLUMNS, RESOURCE_COLUMNS, SESSION_COLUMNS } from "./rows.ts";

const rows = [repository(), repository({ id: "ff", name: 'odd "name"\u001b[2J', unlocked: false, restorePoints: 12 })];
const plain = { columns: [], colour: false };

test("a list as a table, control characters made visible", () => {
  expect(renderList(rows, REPOSITORY_COLUMNS, { ...plain, format: "table" })).toBe(`\
+----------------------------------+-------------------+----------+----------------+---------------------+
| ID                               | Name              | Unlocked | Restore Points | Created At          |
+----------------------------------+-------------------+----------+----------------+---------------------+
| 00112233445566778899aabbccddeeff | production        | true     |              3 | 2026-11-01 08:00:00 |
| ff                               | odd "name"\\x1b[2J | false    |             12 | 2026-11-01 08:00:00 |
+----------------------------------+-------------------+----------+----------------+---------------------+
`);
});

test("a list as json: snake_case keys, plain values", () => {
  expect(renderList(rows.slice(0, 1), REPOSITORY_COLUMNS, { ...plain, format: "json" })).toBe(`\
[
  {
    "id": "00112233445566778899aabbccddeeff",
    "name": "production",
    "unlocked": true,
    "restore_points": 3,
    "created_at": "2026-11-01T08:00:00.000Z"
  }
]
`);
});

test("a list as yaml", () => {
  expect(renderList(rows.slice(0, 1), REPOSITORY_COLUMNS, { ...plain, format: "yaml" })).toBe(`\
- id: 00112233445566778899aabbccddeeff
  name: production
  unlocked: true
  restore_points: 3
  created_at: 2026-11-01T08:00:00.000Z
`);
});

test("a list as csv: strings quoted, numbers bare", () => {
  expect(renderList(rows, REPOSITORY_COLUMNS, { ...plain, format: "csv", columns: ["Name", "Restore Points"] })).toBe(
    '"Name","Restore Points"\n"production",3\n"odd ""name""\u001b[2J",12\n',
  );
});

test("a list as value, with nothing as None", () => {
  const two = [resource(), resource({ id: "v2", stats: undefined })];
  expect(renderList(two, RESOURCE_COLUMNS, { ...plain, format: "value", columns: ["ID", "Logical Size", "verified"] })).toBe(
    "v1 1073741824 None\nv2 None None\n",
  );
});

test("-c keeps its order, by title or key in any case, and reaches the details", () => {
  const options = { ...plain, format: "json" as const, columns: ["target id", "TYPE"] };
  expect(renderList([resource({ targetId: "t1" })], RESOURCE_COLUMNS, options)).toBe(
    '[\n  {\n    "target_id": "t1",\n    "type": "cinder.volume"\n  }\n]\n',
  );
});

test("an unknown column names the known ones", () => {
  expect(() => renderList(rows, REPOSITORY_COLUMNS, { ...plain, format: "table", columns: ["Nome"] })).toThrowError(
    expect.objectContaining({ code: "USAGE", hint: "There are: ID, Name, Unlocked, Restore Points, Created At" }),
  );
});

test("--sort-column sorts numbers as numbers", () => {
  const sizes = [10n, 9n, 100n].map((logicalBytes) => resource({ stats: stats({ logicalBytes }) }));
  const options = { ...plain, format: "value" as const, columns: ["Logical Size"], sortColumn: "logical_size" };
  expect(renderList(sizes, RESOURCE_COLUMNS, options)).toBe("9\n10\n100\n");
});

test("sizes are for people in a table, plain bytes in json, exact beyond 2^53", () => {
  const row = resource({ stats: stats({ logicalBytes: 9_007_199_254_740_993n, readBytes: 1536n }) });
  const columns = ["Logical Size", "Read Size"];
  expect(renderList([row], RESOURCE_COLUMNS, { ...plain, format: "table", columns })).toContain("|      8.0 PiB |   1.5 KiB |");
  expect(JSON.parse(renderList([row], RESOURCE_COLUMNS, { ...plain, format: "json", columns }))).toEqual([
    { logical_size: "9007199254740993", read_size: 1536 },
  ]);
});

test("a record as a Field/Value table, csv and value", () => {
  const columns = ["ID", "State"];
  expect(renderRecord(session(), SESSION_COLUMNS, { ...plain, format: "table", columns })).toBe(`\
+-------+---------------------------+
| Field | Value                     |
+-------+---------------------------+
| ID    | 20261123T170000Z-0a1b2c3d |
| State | succeeded                 |
+-------+---------------------------+
`);
  expect(renderRecord(session(), SESSION_COLUMNS, { ...plain, format: "csv", columns })).toBe(
    '"Field","Value"\n"ID","20261123T170000Z-0a1b2c3d"\n"State","succeeded"\n',
  );
  expect(renderRecord(session(), SESSION_COLUMNS, { ...plain, format: "value", columns })).toBe(
    "20261123T170000Z-0a1b2c3d\nsucceeded\n",
  );
});

test("colour only bolds the titles", () => {
  const text = renderList(rows, REPOSITORY_COLUMNS, { ...plain, colour: true, format: "table", columns: ["Name"] });
  expect(text).toContain("\u001b[1mName\u001b[22m");
  expect(text).toContain("| production ");
});

test("an empty list is an empty list in every format", () => {
  const texts = (["json", "yaml", "csv", "value"] as const).map((format) =>
    renderList([], REPOSITORY_COLUMNS, { ...plain, format }),
  );
  expect(texts).toEqual(["[]\n", "[]\n", '"ID","Name","Unlocked","Restore Points","Created At"\n', ""]);
});
