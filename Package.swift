// swift-tools-version: 6.2

import PackageDescription

/// Applied to every target of our own. Dependencies keep their own settings.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "aftercare",
    platforms: [.macOS(.v15)],
    dependencies: [
    ],
    targets: [
        .target(name: "Time", swiftSettings: strict),
        .testTarget(
            name: "TimeTests",
            dependencies: ["Time"],
            exclude: ["zoneinfo_oracle.py"],
            swiftSettings: strict
        ),
        .target(name: "JSON", swiftSettings: strict),
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: strict),
    ]
)
