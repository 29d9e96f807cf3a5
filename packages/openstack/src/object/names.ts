/**
 * Names of containers and objects in URLs. An object's name is any UTF-8 text, slashes, `..` and trailing spaces included.
 * Each part is percent-encoded; where a part is `.` or `..` the slashes are encoded, too, which Swift decodes the
 * same way, so that nothing between here and Swift folds the path.
 */

export function containerPath(container: string): string {
  return `/${encodeURIComponent(container)}`;
}

export function objectPath(container: string, name: string): string {
  const folds = name.split("/").some((part) => part === "." || part === "..");
  const encoded = folds ? encodeURIComponent(name) : name.split("/").map(encodeURIComponent).join("/");
  return `${containerPath(container)}/${encoded}`;
}
