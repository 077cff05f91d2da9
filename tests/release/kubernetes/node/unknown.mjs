// Finds the fields that a compiled schema does not know.
//
// The published schemas are compiled to functions, and most let unknown fields pass. But such a function
// asks an object for each field that it knows, whether the object has it or not. So the objects that are
// validated here note what they are asked for: what nobody asked for is unknown. An object that was asked
// for nothing is free-form, as a plugin's configuration is; one whose keys were listed, as labels are, takes
// any key.

/** What `validate` did not look at, unless it throws. It gets a copy that notes what is read. */
export function unknownFields(object, validate) {
  const notes = [];
  validate(watched(object, "", notes));
  return notes.flatMap(({ value, path, asked, listed }) =>
    listed || asked.size === 0
      ? []
      : Object.keys(value)
          .filter((key) => !asked.has(key))
          .map((key) => `${path}/${key}: unknown field`),
  );
}

function watched(value, path, notes) {
  if (Array.isArray(value)) return value.map((item, i) => watched(item, `${path}/${i}`, notes));
  if (value === null || typeof value !== "object") return value;
  const note = { value, path, asked: new Set(), listed: false };
  notes.push(note);
  const inner = Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, watched(member, `${path}/${key}`, notes)]),
  );
  return new Proxy(inner, {
    get(target, key) {
      if (typeof key === "string") note.asked.add(key);
      return target[key];
    },
    ownKeys(target) {
      note.listed = true;
      return Reflect.ownKeys(target);
    },
  });
}
