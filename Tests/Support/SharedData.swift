public import Foundation

/// The real webhooks and vectors of `../shared/data`, beside the project and not part of it, read in place.
///
/// Where the folder is absent a test is skipped, with a line that says so; in CI (`CI=true`) it fails instead, so that
/// nobody mistakes a missing folder for a pass.
///
/// ```swift
/// @Test(.enabled(if: SharedData.isThere, SharedData.absent)) func …
/// ```
public enum SharedData {
    /// `AFTERCARE_SHARED_DATA` names another place.
    private static let root = URL(
        filePath: ProcessInfo.processInfo.environment["AFTERCARE_SHARED_DATA"]
            ?? "\(TestCluster.repository)/../shared/data"
    ).standardizedFileURL

    public static let absent: String = "no folder \(root.path): set AFTERCARE_SHARED_DATA to where the data is"

    /// True in CI whether it is there or not: the test then fails when it opens its file.
    public static var isThere: Bool {
        FileManager.default.fileExists(atPath: root.path) || ProcessInfo.processInfo.environment["CI"] == "true"
    }

    public static func url(_ path: String) -> URL { root.appending(path: path) }

    public static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: url(path))) }

    /// The files below a folder whose name ends in `.json`, in alphabetical order, as paths for `bytes`.
    public static func files(below folder: String) throws -> [String] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: url(folder).path)
        return names.filter { $0.hasSuffix(".json") }.sorted().map { "\(folder)/\($0)" }
    }
}
